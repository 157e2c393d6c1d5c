"""Answers lines of "zone TAB from TAB schedule" with the next three times croniter finds, in seconds since the epoch;
and lines of "zone" with the zone's changes of the clocks as Python's own reader of tzdata knows them."""
import datetime
import sys
from zoneinfo import ZoneInfo

try:
    from croniter import croniter
    from dateutil import tz
except ImportError:
    sys.exit("the package python3-croniter is missing: apt-get install python3-croniter")


def upcoming(zone, start, text):
    try:
        found = croniter(text, datetime.datetime.fromtimestamp(int(start), tz.gettz(zone)), max_years_between_matches=130)
        return " ".join(str(int(found.get_next(float))) for _ in range(3))
    except Exception as error:
        return type(error).__name__


def offsets(zone):
    """The offset every three hours from 1972 to 2099, as changes."""
    info, changes, last = ZoneInfo(zone), [], None
    for second in range(63072000, 4102444800, 3 * 3600):
        offset = int(datetime.datetime.fromtimestamp(second, info).utcoffset().total_seconds())
        if offset != last:
            changes.append(f"{second}:{offset}")
            last = offset
    return " ".join(changes)


for line in sys.stdin:
    parts = line.rstrip("\n").split("\t")
    print(offsets(*parts) if len(parts) == 1 else upcoming(*parts))
