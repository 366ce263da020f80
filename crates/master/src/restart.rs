//! Options that belong to the master process and cannot change while it runs: a reload says so instead of hiding it.

use margrave_config::Settings;

/// Names of the options whose change a reload cannot bring about.
#[must_use]
pub fn options(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let ((old_host, new_host), (old_log, new_log)) = ((&old.host, &new.host), (&old.log, &new.log));
    let table = [
        ("uid", old_host.uid != new_host.uid),
        ("gid", old_host.gid != new_host.gid),
        ("umask", old_host.umask != new_host.umask),
        ("pidfile", old_host.pidfile != new_host.pidfile),
        ("pidfile2", old_host.pidfile2 != new_host.pidfile2),
        ("safe-pidfile", old_host.safe_pidfile != new_host.safe_pidfile),
        ("flock", old_host.held_files != new_host.held_files),
        ("reload-on-fd", old.reload.descriptors != new.reload.descriptors),
        ("daemonize", old_host.daemonize != new_host.daemonize),
        ("logto", old_log.logto != new_log.logto),
        ("logto2", old_log.logto2 != new_log.logto2),
        ("logger", old_log.loggers != new_log.loggers),
        ("req-logger", old_log.request_loggers != new_log.request_loggers),
        ("log-maxsize", old_log.max_size != new_log.max_size),
        ("log-backupname", old_log.backup_name != new_log.backup_name),
        ("log-encoder", old_log.encoders != new_log.encoders),
        ("log-req-encoder", old_log.request_encoders != new_log.request_encoders),
        ("log-route", old_log.routes != new_log.routes),
        ("log-req-route", old_log.request_routes != new_log.request_routes),
        ("log-drain", old_log.drains != new_log.drains),
        ("log-req-drain", old_log.request_drains != new_log.request_drains),
        ("log-filter", old_log.filters != new_log.filters),
        ("log-json", old_log.json != new_log.json),
        ("log-master", old_log.through_master != new_log.through_master),
        ("log-date", old_log.date != new_log.date),
        ("stats", old.stats != new.stats),
        ("control-socket", old.control != new.control),
        ("emperor", old.emperor != new.emperor),
    ];
    table.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reload_can_change_is_not_named_and_what_it_cannot_is() {
        let old = Settings::default();
        let mut new = Settings::default();
        new.process.workers = 7;
        new.log.format = Some("%(uri)".into());
        new.host.env.push(("A".into(), "b".into()));
        assert!(options(&old, &new).is_empty());
        new.host.uid = Some("www-data".into());
        new.log.max_size = Some(1);
        assert_eq!(options(&old, &new), ["uid", "log-maxsize"]);
    }
}
