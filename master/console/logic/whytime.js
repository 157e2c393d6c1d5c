// Times as people write them: "24 Nov 03:30", "yesterday 3:00", "Mon 3:30", "2026-11-24 03:30", "03:30", "11月24日 3:30", "昨天 3:30".
import { instantsOf, wallOf } from './zone.js';

const DAY = 86_400_000;
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const ZH_DAYS = '日一二三四五六';

/** The wall time that a text means in a zone, the latest that is not after now unless it has a year; null = it cannot be read. */
export function wallTimeOf(text, zone, now) {
  const input = text.trim().toLowerCase().replace(/[,，]/g, ' ').replace(/\s+/g, ' ');
  const clock =
    /(?:^|[\st日天])(\d{1,2})(?::|：|点)(\d{2})?(?::(\d{2}))?(?:分)?\s*(am|pm)?$/.exec(input) ??
    /(?:^| )(\d{1,2})()() ?(am|pm)$/.exec(input);
  if (!clock) return null;
  let hour = Number(clock[1]);
  if (clock[4]) hour = (hour % 12) + (clock[4] === 'pm' ? 12 : 0);
  const [minute, second] = [Number(clock[2] || 0), Number(clock[3] || 0)];
  if (hour > 23 || minute > 59 || second > 59) return null;
  const time = ((hour * 60 + minute) * 60 + second) * 1000;
  const day = dayOf(
    input
      .slice(0, clock.index + (/[日天t]/.test(input[clock.index] ?? '') ? 1 : 0))
      .trim()
      .replace(/t$/, ''),
    wallOf(zone, now),
    time,
  );
  return day === null ? null : day + time;
}

function dayOf(text, wallNow, time) {
  const today = Math.floor(wallNow / DAY) * DAY;
  const past = (day, step) => (day + time > wallNow ? day - step : day);
  if (text === '') return past(today, DAY);
  if (/^(today|今天|今日)$/.test(text)) return today;
  if (/^(yesterday|昨天|昨日)$/.test(text)) return today - DAY;
  if (/^(tomorrow|明天|明日)$/.test(text)) return today + DAY;
  const week = /^(?:周|星期|礼拜)([日天一二三四五六])$/.exec(text);
  const name = DAYS.indexOf(text.slice(0, 3));
  if (week || (name >= 0 && /^(sun|mon|tue|tues|wed|wednes|thu|thur|thurs|fri|sat|satur)(day)?$/.test(text))) {
    const wanted = week ? ZH_DAYS.indexOf(week[1] === '天' ? '日' : week[1]) : name;
    return past(today - ((new Date(today).getUTCDay() - wanted + 7) % 7) * DAY, 7 * DAY);
  }
  return dateOf(text.replace(/^(su|mo|tu|we|th|fr|sa)[a-z]* (?=\d)/, ''), today, time, wallNow);
}

function dateOf(text, today, time, wallNow) {
  const iso = /^(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?$/.exec(text);
  if (iso) return dateIfReal(Number(iso[1]), Number(iso[2]), Number(iso[3]));
  const words = /^(\d{1,2})\.? ?([a-z]{3})[a-z]*(?: (\d{4}))?$/.exec(text) ?? /^()([a-z]{3})[a-z]* (\d{1,2})$/.exec(text);
  const zh = /^(\d{1,2})月(\d{1,2})日?$/.exec(text);
  const numbers = /^(\d{1,2})\.(\d{1,2})\.?$/.exec(text);
  let [day, month, year] = [0, 0, 0];
  if (words) {
    month = MONTHS.indexOf(words[2]) + 1;
    [day, year] = words[1] === '' ? [Number(words[3]), 0] : [Number(words[1]), Number(words[3] ?? 0)];
  } else if (zh) {
    [month, day] = [Number(zh[1]), Number(zh[2])];
  } else if (numbers) {
    [day, month] = [Number(numbers[1]), Number(numbers[2])];
  }
  if (month === 0) return null;
  if (year) return dateIfReal(year, month, day);
  const here = dateIfReal(new Date(today).getUTCFullYear(), month, day);
  return here !== null && here + time > wallNow + 60 * DAY ? dateIfReal(new Date(today).getUTCFullYear() - 1, month, day) : here;
}

function dateIfReal(year, month, day) {
  const at = Date.UTC(year, month - 1, day);
  return new Date(at).getUTCMonth() === month - 1 && new Date(at).getUTCDate() === day ? at : null;
}

/**
 * Which of the planned times a wall time means: { at } of one that was planned, or { before, after }, the two around it. In a doubled hour
 * the first that was planned counts.
 */
export function findPlanned(wall, zone, times) {
  const exact = instantsOf(zone, wall).find((at) => times.includes(at));
  if (exact !== undefined) return { at: exact };
  const around = instantsOf(zone, wall)[0] ?? wall - (wallOf(zone, wall) - wall);
  return { before: times.filter((at) => at < around).at(-1) ?? null, after: times.find((at) => at > around) ?? null };
}
