//! Time of `margrave check` on large configurations and on many: `cargo bench -p margrave-config`.
#![allow(clippy::print_stdout, clippy::unwrap_used)]
#![allow(clippy::disallowed_methods)] // A bench reads the clock.

use margrave_config::check::{CheckRequest, check, correct};
use margrave_config::{MemoryWorld, load};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// A configuration as people have it.
const USUAL: &str = "[uwsgi]\nbase = /srv/site\nchdir = %(base)\nmodule = mysite.wsgi:application\nhttp = :8000\n\
socket = /run/site/site.sock\nchmod-socket = 660\nprocesses = %(%k * 2)\nthreads = 4\nmaster = true\nvacuum = true\n\
harakiri = 60\nmax-requests = 5000 ; recycle\nenv = DJANGO_SETTINGS_MODULE=mysite.settings\nlogto = /var/log/%n.log\n\
static-map = /static=%(base)/static\nif-env = STAGE\nenv = STAGE=%(_)\nendif =\n";

/// The fastest of some rounds.
fn measure(name: &str, mut call: impl FnMut()) {
    let round = |call: &mut dyn FnMut()| {
        let start = Instant::now();
        call();
        start.elapsed()
    };
    let best = (0..5).map(|_| round(&mut call)).min().unwrap_or(Duration::MAX);
    println!("{name:44} {:9.2} ms", best.as_secs_f64() * 1e3);
}

fn request(arguments: &[&str]) -> CheckRequest {
    CheckRequest::parse(&arguments.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).unwrap()
}

fn site(options: impl Iterator<Item = String>) -> MemoryWorld {
    let text: String = std::iter::once(USUAL.to_owned()).chain(options).collect();
    MemoryWorld::with_files(&[("site.ini", &text)])
}

fn main() {
    let world = site(std::iter::empty());
    let arguments = ["margrave", "site.ini"].map(str::to_owned);
    measure("load of a usual file", || drop(black_box(load(&arguments, &world))));
    measure("check of a usual file", || drop(black_box(check(&request(&["site.ini"]), &world))));

    let options = |at: usize| match at % 5 {
        0 => format!("env = NAME{at}=value\n"),
        1 => format!("static-map = /path{at}=%(base)/{at}\n"),
        2 => format!("own-key-{at} = %(base)/{at}\n"),
        3 => format!("env = KEY{at}=%(own-key-{})\n", at - 1),
        _ => format!("add-header = X-Number-{at}: {at}\n"),
    };
    let world = site((0..5_000).map(options));
    measure("check of 5,000 lines", || drop(black_box(check(&request(&["site.ini"]), &world))));

    let world = site((0..5_000).map(|at| format!("procceses{at} = {at} ; note\n")));
    measure("check of 5,000 misspelt names", || drop(black_box(check(&request(&["site.ini"]), &world))));
    let report = check(&request(&["site.ini"]), &world);
    measure("report of 5,000 misspelt names", || drop(black_box(report.render(&world, true))));

    let world = site((0..5_000).map(|at| format!("env NAME{at} = {at} ; note\n")));
    let fix = request(&["--fix", "site.ini"]);
    measure("correction of 5,000 lines", || drop(black_box(correct(&fix, &world, false))));

    let files: Vec<(String, String)> =
        (0..200).map(|at| (format!("sites/{at}.ini"), USUAL.to_owned())).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let world = MemoryWorld::with_files(&files);
    measure("check of 200 files", || drop(black_box(check(&request(&["sites"]), &world))));
}
