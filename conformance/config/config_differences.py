"""Where Margrave differs on purpose, by the name of the case, with the reason."""

DIFFERENCES = {
    # recorded cases (crates/config/testdata/uwsgi-cases.json); the crate's own tests hold their outcome here
    "positional-relative": "positional files fill the uppercase variables",
    "nested-ini-in-positional": "positional files fill the uppercase variables",
    "include-section": "`include` takes a section",
    "inherit-section": "`inherit` takes a section",
    "env-expansion": "`$(NAME:-default)` works, as in uWSGI 2.1",
    "env-default-dash": "`$(NAME:-default)` works, as in uWSGI 2.1",
    "section-comment": "a comment behind a section name is seen",
    "bom": "a byte order mark is skipped",
    "logic-nested2": "blocks may stand within blocks",
    "colon-in-path": "a colon in a directory splits only when there is a file before it",
    "env-arrays": "a block without end is an error",
    "yaml-basic": "YAML is read as by a uWSGI with libyaml: quotes are taken off, nothing after a list is lost",
    "json-positional": "JSON is read, as by a uWSGI with jansson",
    "config-opt": "`config` goes by the suffix of the file",
    "extra-positional-python": "an application that does not load is exit code 22, also when it is a positional file",
    "bool-optional": "without a socket it serves on the default address, where uWSGI ends; so the case runs until its time is over",
    "fallback-config": "the case fails by `exec-pre-jail`, which is not built yet",
}
