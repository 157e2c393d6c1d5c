// Chinese for the frame and the pages Now, Jobs, Runs, Workers. The key is the English sentence.
export const words = {
  // frame
  'Now': '当前', 'Jobs': '任务', 'Runs': '运行记录', 'Workers': '执行节点', 'Settings': '设置',
  'To the page': '跳到正文', 'Jobs, runs, workers': '搜索任务、节点', 'Jump to a job, a worker or a page': '跳转到任务、节点或页面',
  'Times in': '时区', 'job’s own': '任务时区', 'Language': '语言', 'Theme: as the system': '主题：跟随系统', 'Theme: light': '主题：浅色', 'Theme: dark': '主题：深色',
  'need you': '需要处理', 'as of {time}': '截至 {time}', 'no answer': '无应答', 'live': '实时', 'Try now': '立即重试', 'Try again': '重试',
  'etcd has not answered since {time}.': 'etcd 自 {time} 起无应答。', 'The master has not answered since {time}.': '主节点自 {time} 起无应答。',
  'Running commands go on. Nothing new is claimed until it is back.': '运行中的命令继续执行；恢复之前不会启动新的运行。',
  'Jobs run without it. This page shows what was last heard.': '任务不受影响，照常运行。本页显示最后收到的数据。',
  'next try in {n} s': '{n} 秒后重试', 'etcd does not answer: nothing can be changed now': 'etcd 无应答：现在不能修改',
  'the master does not answer: nothing can be changed now': '主节点无应答：现在不能修改', '{role}s may do this': '需要{role}权限',
  'log store': '日志库', 'master': '主节点', 'Sign out': '退出登录', 'viewer': '只读用户', 'operator': '操作员', 'editor': '编辑者', 'admin': '管理员', 'Undo': '撤销', 'Close': '关闭', 'Show': '查看', 'Cancel': '取消',
  'This page cannot be shown': '无法显示此页', 'No such page': '没有此页', 'Nothing of the console is at this address.': '此地址没有对应的页面。',
  '{n} ms': '{n} 毫秒', '{n} s': '{n} 秒', '{a} min': '{a} 分', '{a} min {b} s': '{a} 分 {b} 秒', '{a} h': '{a} 小时', '{a} h {b} min': '{a} 小时 {b} 分',
  '{a} d': '{a} 天', '{a} d {b} h': '{a} 天 {b} 小时', '{span} ago': '{span}前', 'in {span}': '{span}后', 'now': '现在', 'today {time}': '今天 {time}', 'tomorrow {time}': '明天 {time}',
  'Jobs, workers, pages': '任务、节点、页面', 'Places': '位置', 'Nothing has this in its name.': '没有匹配的名称。', 'Jump': '跳转', 'New job': '新建任务', 'page': '页面', 'worker': '节点',
  'Keys': '快捷键', 'jump to a job, a worker, a page': '跳转到任务、节点、页面', 'filter': '筛选', 'new job': '新建任务', 'next row, row before': '下一行、上一行',
  'open the row': '打开此行', 'choose the row': '选择此行', 'run now': '立即运行', 'pause or resume': '暂停或恢复', 'edit': '编辑', 'copy a link to this': '复制链接',
  'go to Now; also J, R, W, S': '转到“当前”；另有 J、R、W、S', 'back, close': '返回、关闭', 'this list': '此列表', 'single letters are keys': '启用单字母快捷键',
  // states
  'succeeded': '成功', 'failed': '失败', 'timed out': '超时', 'killed': '已终止', 'cancelled': '已取消', 'skipped': '已跳过', 'missed': '已错过', 'lost': '失联',
  'running': '运行中', 'queued': '排队中', 'claimed': '已认领', 'planned': '已计划', 'paused': '已暂停', 'failing': '失败', 'cannot run': '无法运行', 'well': '正常',
  'not run yet': '尚未运行', 'not read yet': '尚未读取', 'here': '在线', 'claims nothing': '不认领', 'gone': '已离开',
  'last runs: {list}': '最近运行：{list}', 'no runs yet': '尚无运行', 'more acts for {name}': '{name} 的更多操作',
  // Now
  '{n} {n|job needs|jobs need} you': '{n} 个任务需要处理', 'Nothing needs you': '一切正常', 'Endings are being read': '正在读取运行结果', 'No jobs yet': '还没有任务', 'There are no jobs yet.': '还没有任务。',
  '{n} {n|is|are} well': '{n} 个正常', '{n} {n|is|are} paused': '{n} 个已暂停', '{n} {n|is|are} not read yet': '{n} 个尚未读取', ', ': '，', '.': '。',
  'Jobs that need you': '需要处理的任务', 'Jobs that are well again': '已恢复正常的任务', 'is well again since {time}': '自 {time} 起恢复正常', 'running for {span}, usually {usual}': '已运行 {span}，通常 {usual}', 'no worker can run it': '没有节点能运行', 'no worker can run them': '没有节点能运行它们',
  '{word} {n} times in a row, since {time}': '自 {time} 起连续{word} {n} 次', '{word} {time}': '{time} {word}', 'On {worker}, since {time}': '在 {worker} 上，自 {time} 起', ' after {span}': '，历时 {span}', ' on {worker}': '，节点 {worker}',
  'Watch': '查看输出', 'Kill': '终止', 'Kill…': '终止…', 'Edit': '编辑', 'Why': '为什么', 'Last run': '最近一次', 'Run now': '立即运行', 'Run': '运行', 'next {coming}': '下次：{coming}', 'no next time': '没有下次',
  '{n} jobs': '{n} 个任务', '{word} for one reason': '因同一原因{word}', 'Show each': '逐个显示', 'left {time}': '{time} 离开', 'It was on {host}; it had been there since {time}.': '所在主机 {host}，自 {time} 起在线。', 'Its runs': '它的运行',
  'Today': '今天', '{n} {n|run|runs} since {time}, {m} planned until midnight': '{time} 起运行 {n} 次，午夜前还计划 {m} 次', 'Runs of today by quarter hour': '今天每一刻钟的运行', '{n} planned': '计划 {n} 次', 'nothing': '无',
  'Running': '运行中', 'Next': '即将运行', 'All runs that go on': '全部未结束的运行', 'All that come': '全部即将运行的任务', 'Next time': '下次', 'so far, of the usual': '已用 / 通常', ' of {span}': ' / {span}', '{n}, on {m} of {all} {all|worker|workers}': '{n} 个，分布在 {all} 个节点中的 {m} 个',
  '{n} {n|worker|workers} with {slots} slots': '{n} 个节点，{slots} 个槽位', 'Nothing runs now.': '现在没有运行。', 'Nothing is planned within the hour.': '一小时内没有计划。', '100 jobs and more within the hour': '一小时内 100 个以上任务', '{n} {n|job|jobs} within the hour': '一小时内 {n} 个任务',
  // acts
  '{job} was asked to run.': '已请求运行 {job}。', '{job} is paused. What runs goes on.': '{job} 已暂停；正在运行的继续。', '{job} is resumed.': '{job} 已恢复。', '{job} is deleted. What runs goes on; its log stays.': '{job} 已删除；正在运行的继续，日志保留。', '{job} is back.': '{job} 已找回。',
  'Kill this run of {job}?': '终止 {job} 的这次运行？', 'Kill all runs of {job}?': '终止 {job} 的所有运行？', 'It gets SIGTERM now, and SIGKILL after {n} s. It is recorded as killed and does not run again by itself.': '立即发送 SIGTERM，{n} 秒后发送 SIGKILL；记录为“已终止”，不会自动重跑。',
  'Kill it': '终止', 'Let it run': '让它继续', 'Reason (kept in its record)': '原因（写入记录）', '{job}: the end was asked for; it comes within {n} s.': '{job}：已请求终止，{n} 秒内结束。', 'The link is copied.': '链接已复制。', 'The command is copied.': '命令已复制。', 'The browser does not let this page copy.': '浏览器不允许复制。',
  'Pause': '暂停', 'Resume': '恢复', 'Delete': '删除', 'Delete…': '删除…', 'Calendar': '日历',
  // Jobs
  'All': '全部', 'Need you': '需要处理', 'Paused': '已暂停', 'Which jobs': '哪些任务', 'Clear': '清除', 'Filter jobs': '筛选任务', 'Name, command, label:team=data, next:<1h …': '名称、命令、label:team=data、next:<1h …',
  'Choose all rows that are here': '选择这里的所有行', 'Choose {name}': '选择 {name}', 'Job': '任务', 'State': '状态', 'Last 20': '最近 20 次', 'Usually': '通常', 'Schedule': '计划', 'Acts': '操作', 'none': '无', 'Run {name}': '运行 {name}', 'Pause {name}': '暂停 {name}', 'Resume {name}': '恢复 {name}',
  'J K to move · Enter to open · X to choose · R to run': 'J K 移动 · Enter 打开 · X 选择 · R 运行', 'No job matches': '没有匹配的任务', 'Words must all match. Take one away, or clear the filter.': '所有条件须同时满足。去掉一个，或清除筛选。', '{n} {n|job|jobs}': '{n} 个任务',
  '{n} of {total}. The rest follows as you scroll.': '{total} 个中的 {n} 个，向下滚动加载其余。', 'All {n}.': '共 {n} 个。', '{n} {n|change|changes}: show': '{n} 处变化：显示', 'Chosen jobs': '已选任务', '{n} {n|job|jobs} chosen': '已选 {n} 个任务', 'Choose all {n}': '选择全部 {n} 个',
  'Run {n} {n|job|jobs} now?': '立即运行 {n} 个任务？', 'Run them': '运行', 'Kill all runs of {n} {n|job|jobs}?': '终止 {n} 个任务的所有运行？', 'Kill them': '终止', 'Delete {n} {n|job|jobs}?': '删除 {n} 个任务？', 'Delete {n}': '删除 {n} 个', 'Export': '导出',
  'What runs goes on, and the log stays.': '正在运行的继续，日志保留。', 'Each run gets SIGTERM, then SIGKILL.': '每个运行先收到 SIGTERM，再收到 SIGKILL。', 'They run once, besides their schedule.': '在计划之外运行一次。', 'and {n} more': '以及另外 {n} 个', '{n} not done': '{n} 个未完成',
  '{n} {n|job was|jobs were} asked to run.': '已请求运行 {n} 个任务。', '{n} {n|job is|jobs are} paused.': '已暂停 {n} 个任务。', '{n} {n|job is|jobs are} resumed.': '已恢复 {n} 个任务。', 'The end of all runs of {n} {n|job|jobs} was asked for.': '已请求终止 {n} 个任务的所有运行。', '{n} {n|job is|jobs are} deleted.': '已删除 {n} 个任务。',
  'A job is a command and a time. {n} {n|worker is|workers are} here and {n|has|have} nothing to do.': '任务就是一条命令加一个时间。{n} 个节点在线，正等待任务。', 'A job is a command and a time. No worker is here yet: start dts-worker on a host.': '任务就是一条命令加一个时间。还没有节点：请在主机上启动 dts-worker。',
  'Import a crontab': '导入 crontab', 'Or from a shell:': '或在命令行：',
  // filter
  'Completions': '补全', 'Take away {word}': '去掉 {word}', 'how the job stands': '任务状态', 'label, or label=value': '标签，或 标签=值', 'how the latest run ended': '最近一次结果', 'next plan time': '下次计划时间', 'within 15 min': '15 分钟内', 'within the hour': '一小时内', 'within a day': '一天内',
  'worker of a run': '运行所在节点', 'user of the command': '命令的用户', 'exact name': '准确名称', 'started since': '开始时间不早于', 'started before': '开始时间早于', 'the last hour': '最近一小时', 'the last day': '最近一天', 'the last week': '最近一周', 'why it ran': '触发方式', 'runs that have not ended': '尚未结束的运行',
  // Runs
  'Which runs': '哪些运行', 'Ended': '已结束', 'Not ended': '未结束', 'Shown as': '显示方式', 'List': '列表', 'By job': '按任务', 'By worker': '按节点', 'Copy as curl': '复制为 curl', 'Filter runs': '筛选运行', 'Job, worker, trigger, words of command or error …': '任务、节点、触发方式、命令或错误中的文字 …', 'Any time': '任意时间',
  'Ending': '结果', 'Planned': '计划时间', 'Took': '耗时', 'Exit': '退出码', 'Worker': '节点', 'Last line, or why': '最后一行或原因', 'So far': '已用', 'Attempt': '尝试', 'Trigger': '触发', 'attempt {n}': '第 {n} 次尝试', 'signal {n}': '信号 {n}', 'its end was asked for': '已请求终止',
  'J K to move · Enter to open · Y to copy a link': 'J K 移动 · Enter 打开 · Y 复制链接', '{n} {n|run|runs}': '{n} 次运行', 'Nothing runs now': '现在没有运行', 'Runs that go on or wait in the queue stand here.': '正在运行和排队的运行显示在这里。', 'No run is here': '没有运行', 'No run matches. Take a word away, or look at a longer time.': '没有匹配的运行。去掉一个条件，或放宽时间。',
  'What runs, and how it ended, stands here.': '运行及其结果显示在这里。', '{n} so far. The rest follows as you scroll.': '已加载 {n} 条，向下滚动加载其余。', 'Runs over time; drag to narrow': '运行随时间的分布；拖动以缩小范围', '{n} {n|run|runs}, busy {p} %': '{n} 次运行，占用 {p}%', 'no worker': '无节点',
  '{n} of {total} lanes. Narrow the filter for the others.': '{total} 行中的 {n} 行。缩小筛选以查看其余。', 'the latest {n} runs': '最近 {n} 次运行', '{n} newer': '{n} 条更新', '50 newer and more': '50 条以上更新', 'schedule': '计划', 'by hand': '手动', 'retry': '重试', 'run again': '重跑', 'after another job': '由其他任务触发', 'made up for': '补跑',
  // Workers
  '{n} of {slots} slots are taken': '{slots} 个槽位已用 {n} 个', 'No worker is here': '没有节点在线', '{n} {n|worker is|workers are} here': '{n} 个节点在线', '{n} {n|claims|claim} nothing': '{n} 个不认领', '{n} left within a day': '{n} 个在一天内离开', 'Jobs wait for a worker': '任务在等待节点',
  'A worker is a host with dts-worker, which finds this cluster by its etcd. Nothing runs until one is here.': '节点是运行 dts-worker 的主机，通过 etcd 加入集群。没有节点，任务不会运行。', '{n} of {all}': '{all} 个中的 {n} 个', 'Slots': '槽位', 'Here since': '在线时长', 'Host': '主机', 'Version': '版本', 'Labels': '标签', 'gone since {time}': '自 {time} 起离开',
  '{n} of {slots}': '{n} / {slots}', 'full': '已满', '{n} {n|run|runs} to be declared lost': '{n} 次运行将判为失联', 'What runs on it': '正在其上运行', 'Jobs that ran on it': '在其上运行过的任务', 'Its time line': '它的时间线',
};

// A schedule in the API's words, piece by piece: dates go before times.
const pieces = [
  [/^every day$/, '每天'], [/\bon the last day of the month/g, '每月最后一天'], [/\bon the last weekday of the month/g, '每月最后一个工作日'],
  [/\bon the day (\d+) days? before the last of the month/g, '每月倒数第 $1 天之前'], [/\bon the weekday nearest day (\d+) of the month/g, '每月最接近 $1 日的工作日'],
  [/\bon the weekday nearest (\d+) days? before the last of the month/g, '每月最接近月末前 $1 天的工作日'],
  [/\bon the (first|second|third|fourth|fifth|last) (\w+day) of the month/g, '每月第 $1 个 $2'], [/\bon days? (.+?) of the month/g, '每月 $1 日'],
  [/第 (first|second|third|fourth|fifth|last) 个/g, (_, word) => ({ first: '第一个', second: '第二个', third: '第三个', fourth: '第四个', fifth: '第五个', last: '最后一个' })[word]],
  [/\bevery hour on the hour/, '每小时整点'], [/\bevery hour at (\S+) past/, '每小时第 $1 分'], [/\bevery (\d+) hours from (\S+)/, '从 $2 起每 $1 小时'],
  [/\bat minutes? (.+?) of every hour/, '每小时第 $1 分'], [/\bat seconds? (.+?) of every minute/, '每分钟第 $1 秒'], [/\bevery (\d+) minutes/, '每 $1 分钟'], [/\bevery (\d+) seconds/, '每 $1 秒'],
  [/\bevery minute/, '每分钟'], [/\bevery second/, '每秒'], [/\bof every (hour|minute)/g, ''], [/\bat minutes? (.+?)(?= from| during|$)/, '第 $1 分'], [/\bat seconds? (.+?)(?= from| during|$)/, '第 $1 秒'],
  [/\bfrom (\S+) to (\S+)/, '$1–$2'], [/\bduring hours? (.+)/, '$1 时'], [/\bduring minutes? (.+?)(?= from|,|$)/, '第 $1 分'], [/, counted from .*/, ''], [/^every /, '每 '], [/, once( each)?/, ''],
  [/\b(on|at|in) /g, ''], [/ or /g, ' 或 '], [/, | and /g, '、'], [/ to /g, '至'],
  [/\b(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day/g, (_, day) => `周${{ Mon: '一', Tues: '二', Wednes: '三', Thurs: '四', Fri: '五', Satur: '六', Sun: '日' }[day]}`],
  [/\b(January|February|March|April|May|June|July|August|September|October|November|December)\b/g, (month) => `${['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'].indexOf(month) + 1}月`],
];

export function schedule(text) {
  const [, times, days = '', months = '', years = '', zone] = /^(.*?)(?: (every day|on (?!the hour).*?))?(?: in ([A-Z][a-z]+.*?))?(?: in (\d{4}.*?))?(?:, ([\w+/-]+)(?: time)?)?$/.exec(text) ?? [null, text];
  const say = (piece) => pieces.reduce((said, [what, how]) => said.replace(what, how), piece);
  return [years && `${say(years)}年`, months && say(months), days && (months ? say(days).replace('每月', '') : say(days)), say(times)].filter(Boolean).join(' ') + (zone ? `（${zone}）` : '');
}
