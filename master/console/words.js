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
  'viewer': '只读用户', 'operator': '操作员', 'editor': '编辑者', 'admin': '管理员', 'Undo': '撤销', 'Close': '关闭', 'Show': '查看', 'Cancel': '取消',
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
};
