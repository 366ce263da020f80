//! Calendar arithmetic for log lines and HTTP dates: pure functions of a Unix time and an offset, in the C locale.
//!
//! Time zones are not read here: who calls knows the offset of the moment. [`DateCache`] keeps the texts of the last
//! second, because a busy server writes many lines in one.

use crate::number::push_padded;
use alloc::vec::Vec;

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A moment taken apart (proleptic Gregorian calendar), at an offset from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Year.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// 0 = Sunday.
    pub weekday: u8,
    /// 1 to 366.
    pub year_day: u16,
    /// East of UTC, in seconds.
    pub offset_seconds: i32,
    /// Seconds since 1970, UTC.
    pub unix_seconds: i64,
}

impl Civil {
    /// The moment `unix_seconds` at `offset_seconds` east of UTC.
    #[must_use]
    pub fn new(unix_seconds: i64, offset_seconds: i32) -> Self {
        let local = unix_seconds.saturating_add(i64::from(offset_seconds));
        let (days, seconds) = (local.div_euclid(86400), local.rem_euclid(86400));
        // Years that begin in March, in eras of 400 years, so that the leap day is the last of its year.
        let shifted = days.saturating_add(719_468);
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let year_day = if month <= 2 { day_of_year - 305 } else { day_of_year + 60 + i64::from(is_leap) };
        Self {
            year,
            month: month as u8,
            day: day as u8,
            hour: (seconds / 3600) as u8,
            minute: (seconds / 60 % 60) as u8,
            second: (seconds % 60) as u8,
            weekday: (days.saturating_add(4)).rem_euclid(7) as u8,
            year_day: year_day as u16,
            offset_seconds,
            unix_seconds,
        }
    }

    /// Appends `Sun Nov 22 09:51:21 2026`, as ctime(3) without the line end.
    pub fn push_ctime(&self, out: &mut Vec<u8>) {
        push(out, &self.weekday_name()[..3]);
        out.push(b' ');
        push(out, &self.month_name()[..3]);
        out.push(b' ');
        push_padded(self.day.into(), 2, b' ', out);
        out.push(b' ');
        self.push_clock(out);
        out.push(b' ');
        push_year(self.year, out);
    }

    /// Appends `22/Nov/2026:09:51:21 +0000`, as the common log format has it.
    pub fn push_common_log(&self, out: &mut Vec<u8>) {
        push_padded(self.day.into(), 2, b'0', out);
        out.push(b'/');
        push(out, &self.month_name()[..3]);
        out.push(b'/');
        push_year(self.year, out);
        out.push(b':');
        self.push_clock(out);
        out.push(b' ');
        self.push_offset(out);
    }

    /// Appends `Sun, 22 Nov 2026 09:51:21 GMT` (RFC 9110, 5.6.7); the offset must be 0.
    pub fn push_http(&self, out: &mut Vec<u8>) {
        debug_assert_eq!(self.offset_seconds, 0);
        push(out, &self.weekday_name()[..3]);
        push(out, ", ");
        push_padded(self.day.into(), 2, b'0', out);
        out.push(b' ');
        push(out, &self.month_name()[..3]);
        out.push(b' ');
        push_year(self.year, out);
        out.push(b' ');
        self.push_clock(out);
        push(out, " GMT");
    }

    /// Appends the moment in the form that `pattern` describes, as strftime(3) in the C locale. Unknown directives
    /// stay as they are.
    pub fn push_strftime(&self, pattern: &[u8], out: &mut Vec<u8>) {
        let mut rest = pattern;
        while let [byte, tail @ ..] = rest {
            rest = tail;
            if *byte != b'%' {
                out.push(*byte);
                continue;
            }
            let (padding, tail) = match tail {
                [b'-', tail @ ..] => (Padding::None, tail),
                [b'_', tail @ ..] => (Padding::With(b' '), tail),
                [b'0', tail @ ..] => (Padding::With(b'0'), tail),
                tail => (Padding::Usual, tail),
            };
            let tail = match tail {
                [b'E' | b'O', tail @ ..] => tail,
                tail => tail,
            };
            let known =
                tail.split_first().filter(|&(&directive, _)| self.push_directive(directive, padding, out));
            match known {
                Some((_, tail)) => rest = tail,
                None => out.push(b'%'),
            }
        }
    }

    /// Appends one directive; says whether it is one.
    fn push_directive(&self, directive: u8, padding: Padding, out: &mut Vec<u8>) -> bool {
        let mut number = |value: u64, width, usual| match padding {
            Padding::None => push_padded(value, 1, b'0', out),
            Padding::Usual => push_padded(value, width, usual, out),
            Padding::With(byte) => push_padded(value, width, byte, out),
        };
        let hour12 = u64::from((self.hour + 11) % 12 + 1);
        match directive {
            b'd' => number(self.day.into(), 2, b'0'),
            b'e' => number(self.day.into(), 2, b' '),
            b'H' => number(self.hour.into(), 2, b'0'),
            b'k' => number(self.hour.into(), 2, b' '),
            b'I' => number(hour12, 2, b'0'),
            b'l' => number(hour12, 2, b' '),
            b'j' => number(self.year_day.into(), 3, b'0'),
            b'm' => number(self.month.into(), 2, b'0'),
            b'M' => number(self.minute.into(), 2, b'0'),
            b'S' => number(self.second.into(), 2, b'0'),
            b'y' => number(self.year.rem_euclid(100).unsigned_abs(), 2, b'0'),
            b'C' => number(self.year.div_euclid(100).unsigned_abs(), 2, b'0'),
            b'g' => number(self.iso_week().0.rem_euclid(100).unsigned_abs(), 2, b'0'),
            b'U' => number(self.week(self.weekday), 2, b'0'),
            b'W' => number(self.week((self.weekday + 6) % 7), 2, b'0'),
            b'V' => number(self.iso_week().1, 2, b'0'),
            b'u' => number(if self.weekday == 0 { 7 } else { self.weekday.into() }, 1, b'0'),
            b'w' => number(self.weekday.into(), 1, b'0'),
            b'G' => push_year(self.iso_week().0, out),
            b'Y' => push_year(self.year, out),
            b's' => push_year(self.unix_seconds, out),
            _ => return self.push_text_directive(directive, out),
        }
        true
    }

    fn push_text_directive(&self, directive: u8, out: &mut Vec<u8>) -> bool {
        match directive {
            b'a' => push(out, &self.weekday_name()[..3]),
            b'A' => push(out, self.weekday_name()),
            b'b' | b'h' => push(out, &self.month_name()[..3]),
            b'B' => push(out, self.month_name()),
            b'c' => self.push_ctime(out),
            b'D' | b'x' => self.push_strftime(b"%m/%d/%y", out),
            b'F' => self.push_strftime(b"%Y-%m-%d", out),
            b'T' | b'X' => self.push_clock(out),
            b'R' => self.push_strftime(b"%H:%M", out),
            b'r' => self.push_strftime(b"%I:%M:%S %p", out),
            b'p' => push(out, if self.hour < 12 { "AM" } else { "PM" }),
            b'P' => push(out, if self.hour < 12 { "am" } else { "pm" }),
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'z' => self.push_offset(out),
            // Zones have no names here.
            b'Z' if self.offset_seconds == 0 => push(out, "UTC"),
            b'Z' => self.push_offset(out),
            b'%' => out.push(b'%'),
            _ => return false,
        }
        true
    }

    /// `09:51:21`
    fn push_clock(&self, out: &mut Vec<u8>) {
        push_padded(self.hour.into(), 2, b'0', out);
        out.push(b':');
        push_padded(self.minute.into(), 2, b'0', out);
        out.push(b':');
        push_padded(self.second.into(), 2, b'0', out);
    }

    /// `+0130`
    fn push_offset(&self, out: &mut Vec<u8>) {
        let minutes = u64::from(self.offset_seconds.unsigned_abs() / 60);
        out.push(if self.offset_seconds < 0 { b'-' } else { b'+' });
        push_padded(minutes / 60 * 100 + minutes % 60, 4, b'0', out);
    }

    fn weekday_name(&self) -> &'static str {
        WEEKDAYS[usize::from(self.weekday)]
    }

    fn month_name(&self) -> &'static str {
        MONTHS[usize::from(self.month) - 1]
    }

    /// Number of the week, when weeks begin on the day that is `since` days ago.
    fn week(&self, since: u8) -> u64 {
        (u64::from(self.year_day) + 6 - u64::from(since)) / 7
    }

    /// Year and week of ISO 8601: a week belongs to the year that has its Thursday.
    fn iso_week(&self) -> (i64, u64) {
        let since_monday = i64::from((self.weekday + 6) % 7);
        let thursday =
            Self::new(self.unix_seconds.saturating_add((3 - since_monday) * 86400), self.offset_seconds);
        (thursday.year, u64::from(thursday.year_day - 1) / 7 + 1)
    }
}

#[derive(Clone, Copy)]
enum Padding {
    /// As the directive has it.
    Usual,
    None,
    With(u8),
}

/// The texts of one second, made once.
#[derive(Clone, Debug, Default)]
pub struct DateCache {
    key: Option<(i64, i32)>,
    ctime: Vec<u8>,
    common_log: Vec<u8>,
}

impl DateCache {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `Sun Nov 22 09:51:21 2026`
    pub fn ctime(&mut self, unix_seconds: i64, offset_seconds: i32) -> &[u8] {
        self.fill(unix_seconds, offset_seconds);
        &self.ctime
    }

    /// `22/Nov/2026:09:51:21 +0000`
    pub fn common_log(&mut self, unix_seconds: i64, offset_seconds: i32) -> &[u8] {
        self.fill(unix_seconds, offset_seconds);
        &self.common_log
    }

    fn fill(&mut self, unix_seconds: i64, offset_seconds: i32) {
        if self.key.replace((unix_seconds, offset_seconds)) == Some((unix_seconds, offset_seconds)) {
            return;
        }
        let civil = Civil::new(unix_seconds, offset_seconds);
        self.ctime.clear();
        civil.push_ctime(&mut self.ctime);
        self.common_log.clear();
        civil.push_common_log(&mut self.common_log);
    }
}

fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn push_year(year: i64, out: &mut Vec<u8>) {
    if year < 0 {
        out.push(b'-');
    }
    push_padded(year.unsigned_abs(), 1, b'0', out);
}

#[cfg(test)]
mod tests;
