//! Dates, compared with what other implementations make of the same moments.

use super::{Civil, DateCache};
use alloc::string::String;
use alloc::vec::Vec;

fn text(push: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    push(&mut out);
    String::from_utf8(out).unwrap()
}

const PATTERN: &[u8] =
    b"%a %A %b %B %d|%e|%H %I %j %m %M %p %S %U %W %V %G %g %u %w %y %Y %C %F %T %D %R %z %s";

/// Time, offset and what CPython's `datetime.strftime` gives for [`PATTERN`].
const MOMENTS: &[(i64, i32, &str)] = &[
    (
        0,
        0,
        "Thu Thursday Jan January 01| 1|00 12 001 01 00 AM 00 00 00 01 1970 70 4 4 70 1970 19 1970-01-01 00:00:00 01/01/70 00:00 +0000 0",
    ),
    (
        951782400,
        0,
        "Tue Tuesday Feb February 29|29|00 12 060 02 00 AM 00 09 09 09 2000 00 2 2 00 2000 20 2000-02-29 00:00:00 02/29/00 00:00 +0000 951782400",
    ),
    (
        951868799,
        3600,
        "Wed Wednesday Mar March 01| 1|00 12 061 03 59 AM 59 09 09 09 2000 00 3 3 00 2000 20 2000-03-01 00:59:59 03/01/00 00:59 +0100 951868799",
    ),
    (
        1795341081,
        0,
        "Sun Sunday Nov November 22|22|09 09 326 11 51 AM 21 47 46 47 2026 26 7 0 26 2026 20 2026-11-22 09:51:21 11/22/26 09:51 +0000 1795341081",
    ),
    (
        1795341081,
        19800,
        "Sun Sunday Nov November 22|22|15 03 326 11 21 PM 21 47 46 47 2026 26 7 0 26 2026 20 2026-11-22 15:21:21 11/22/26 15:21 +0530 1795341081",
    ),
    (
        1795341081,
        -34200,
        "Sun Sunday Nov November 22|22|00 12 326 11 21 AM 21 47 46 47 2026 26 7 0 26 2026 20 2026-11-22 00:21:21 11/22/26 00:21 -0930 1795341081",
    ),
    (
        1735689599,
        0,
        "Tue Tuesday Dec December 31|31|23 11 366 12 59 PM 59 52 53 01 2025 25 2 2 24 2024 20 2024-12-31 23:59:59 12/31/24 23:59 +0000 1735689599",
    ),
    (
        1735689600,
        0,
        "Wed Wednesday Jan January 01| 1|00 12 001 01 00 AM 00 00 00 01 2025 25 3 3 25 2025 20 2025-01-01 00:00:00 01/01/25 00:00 +0000 1735689600",
    ),
    (
        1704067200,
        -3600,
        "Sun Sunday Dec December 31|31|23 11 365 12 00 PM 00 53 52 52 2023 23 7 0 23 2023 20 2023-12-31 23:00:00 12/31/23 23:00 -0100 1704067200",
    ),
    (
        4102444799,
        0,
        "Thu Thursday Dec December 31|31|23 11 365 12 59 PM 59 52 52 53 2099 99 4 4 99 2099 20 2099-12-31 23:59:59 12/31/99 23:59 +0000 4102444799",
    ),
    (
        1609459200,
        0,
        "Fri Friday Jan January 01| 1|00 12 001 01 00 AM 00 00 00 53 2020 20 5 5 21 2021 20 2021-01-01 00:00:00 01/01/21 00:00 +0000 1609459200",
    ),
    (
        1451606400,
        0,
        "Fri Friday Jan January 01| 1|00 12 001 01 00 AM 00 00 00 53 2015 15 5 5 16 2016 20 2016-01-01 00:00:00 01/01/16 00:00 +0000 1451606400",
    ),
    (
        1420070400,
        0,
        "Thu Thursday Jan January 01| 1|00 12 001 01 00 AM 00 00 00 01 2015 15 4 4 15 2015 20 2015-01-01 00:00:00 01/01/15 00:00 +0000 1420070400",
    ),
    (
        1388534400,
        0,
        "Wed Wednesday Jan January 01| 1|00 12 001 01 00 AM 00 00 00 01 2014 14 3 3 14 2014 20 2014-01-01 00:00:00 01/01/14 00:00 +0000 1388534400",
    ),
    (
        1230768000,
        0,
        "Thu Thursday Jan January 01| 1|00 12 001 01 00 AM 00 00 00 01 2009 09 4 4 09 2009 20 2009-01-01 00:00:00 01/01/09 00:00 +0000 1230768000",
    ),
    (
        -1,
        0,
        "Wed Wednesday Dec December 31|31|23 11 365 12 59 PM 59 52 52 01 1970 70 3 3 69 1969 19 1969-12-31 23:59:59 12/31/69 23:59 +0000 -1",
    ),
    (
        -31536000,
        0,
        "Wed Wednesday Jan January 01| 1|00 12 001 01 00 AM 00 00 00 01 1969 69 3 3 69 1969 19 1969-01-01 00:00:00 01/01/69 00:00 +0000 -31536000",
    ),
    (
        1798761599,
        43200,
        "Fri Friday Jan January 01| 1|11 11 001 01 59 AM 59 00 00 53 2026 26 5 5 27 2027 20 2027-01-01 11:59:59 01/01/27 11:59 +1200 1798761599",
    ),
    (
        1583020799,
        0,
        "Sat Saturday Feb February 29|29|23 11 060 02 59 PM 59 08 08 09 2020 20 6 6 20 2020 20 2020-02-29 23:59:59 02/29/20 23:59 +0000 1583020799",
    ),
    (
        13569465600,
        0,
        "Sat Saturday Jan January 01| 1|00 12 001 01 00 AM 00 00 00 52 2399 99 6 6 00 2400 24 2400-01-01 00:00:00 01/01/00 00:00 +0000 13569465600",
    ),
];

#[test]
fn moments_are_taken_apart_as_by_strftime() {
    for &(seconds, offset, expected) in MOMENTS {
        let civil = Civil::new(seconds, offset);
        assert_eq!(text(|out| civil.push_strftime(PATTERN, out)), expected);
    }
}

#[test]
fn days_follow_each_other() {
    let mut previous = Civil::new(-400 * 366 * 86400, 0);
    for day in -400 * 366 + 1..400 * 366 {
        let civil = Civil::new(day * 86400, 0);
        let next_day = civil.day == previous.day + 1 && civil.month == previous.month;
        let next_month =
            civil.day == 1 && previous.day >= 28 && civil.month % 12 == (previous.month + 1) % 12;
        assert!(next_day || next_month, "{previous:?} {civil:?}");
        assert_eq!(civil.weekday, (previous.weekday + 1) % 7);
        assert!(civil.year_day == previous.year_day + 1 || civil.year_day == 1 && previous.year_day >= 365);
        previous = civil;
    }
}

#[test]
fn the_usual_forms_are_right() {
    let civil = Civil::new(1_795_341_081, 0);
    assert_eq!(text(|out| civil.push_ctime(out)), "Sun Nov 22 09:51:21 2026");
    assert_eq!(text(|out| civil.push_common_log(out)), "22/Nov/2026:09:51:21 +0000");
    assert_eq!(text(|out| civil.push_http(out)), "Sun, 22 Nov 2026 09:51:21 GMT");
    let civil = Civil::new(784_111_777, 0);
    assert_eq!(text(|out| civil.push_http(out)), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(text(|out| civil.push_ctime(out)), "Sun Nov  6 08:49:37 1994");
    let civil = Civil::new(1_795_341_081, -12_600);
    assert_eq!(text(|out| civil.push_common_log(out)), "22/Nov/2026:06:21:21 -0330");
}

#[test]
fn directives_have_flags_and_unknown_ones_stay() {
    let civil = Civil::new(784_111_777, 0);
    for (pattern, expected) in [
        ("", ""),
        ("plain", "plain"),
        ("%%", "%"),
        ("%-d %_d %0e %-I %k|%l", "6  6 06 8  8| 8"),
        ("%Ey %Om", "94 11"),
        ("%c|%x|%X|%r|%P|%h", "Sun Nov  6 08:49:37 1994|11/06/94|08:49:37|08:49:37 AM|am|Nov"),
        ("%Z", "UTC"),
        ("%n%t", "\n\t"),
        ("%", "%"),
        ("100%", "100%"),
        ("%q %! %", "%q %! %"),
        ("%-", "%-"),
        ("%E", "%E"),
    ] {
        assert_eq!(text(|out| civil.push_strftime(pattern.as_bytes(), out)), expected, "{pattern}");
    }
}

#[test]
fn extreme_times_do_not_overflow() {
    for seconds in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX] {
        for offset in [i32::MIN, -1, 0, i32::MAX] {
            let civil = Civil::new(seconds, offset);
            text(|out| civil.push_strftime(PATTERN, out));
        }
    }
}

#[test]
fn the_cache_gives_what_it_would_make() {
    let mut dates = DateCache::new();
    for (seconds, offset) in [(0, 0), (0, 0), (1, 0), (1, 3600), (0, 0), (784_111_777, 0)] {
        let civil = Civil::new(seconds, offset);
        assert_eq!(dates.ctime(seconds, offset), text(|out| civil.push_ctime(out)).as_bytes());
        assert_eq!(dates.common_log(seconds, offset), text(|out| civil.push_common_log(out)).as_bytes());
    }
}
