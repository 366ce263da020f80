"""Cases of our own: files, command line, environment. Both programs run them in the same directory.

A case is a dictionary with `files` (path to text), `argv` (a list, or a text split at blanks; without the program), and,
where needed, `env`, `stdin`, `links` (path to target) and `cwd`. A file `m.ini` alone is short for `--ini m.ini`.
"""

from case_forms import END, END_XML, ini, xml
from config_cases_files import CASES as FILES
from config_cases_logic import CASES as LOGIC
from config_cases_more import CASES as MORE
from config_cases_values import CASES as VALUES
from config_cases_words import CASES as WORDS

CASES = {
    # XML
    "xml-entities": xml("<?xml version='1.0'?>\n<uwsgi><print>a&lt;&amp;&gt;&#233; b</print>" + END_XML),
    "xml-empty-and-attributes": xml("<uwsgi a='b'><x></x><print>[%(x)]</print><y/><print>[%(y)]</print>" + END_XML),
    "xml-text-and-lines": xml("<uwsgi>\n<print>\n a\n b </print>\n" + END_XML),
    "xml-comment-in-option": xml("<uwsgi><print>a<!-- c --></print>" + END_XML),
    "xml-nested-root": xml("<root><z/><uwsgi><print>n</print>" + END_XML + "</root>"),
    "xml-id-of-block": xml(
        "<root><uwsgi id='a'><print>a</print></uwsgi><uwsgi id='b'><print>b</print>" + END_XML + "</root>", "m.xml:b"
    ),
    "xml-id-of-element": xml(
        "<uwsgi><print>all</print><print id='a'>a</print><print id='b'>b</print>" + END_XML, "m.xml:b"
    ),
    "xml-magic": xml("<uwsgi><print>%n %e %x %%</print>" + END_XML, "m.xml:s"),
    "xml-positional": {"files": {"m.xml": "<uwsgi><print>p</print>" + END_XML}, "argv": "m.xml"},
    "xml-include": ini("include = i.xml\n", files={"i.xml": "<uwsgi><print>i %n</print></uwsgi>"}),
    "xml-logic": xml("<uwsgi><if-env>E</if-env><print>e %(_)</print><endif/>" + END_XML, env={"E": "v"}),
    "xml-broken": xml("<uwsgi><print>a</print>"),
    "yaml-scalars": {
        "files": {"m.yaml": "uwsgi:\n  print: a b\n  x: 1\n  print: x%(x)\n  version: true\n"},
        "argv": "--yaml m.yaml",
    },
    "yaml-section": {
        "files": {"m.yaml": "uwsgi:\n  print: no\nother:\n  print: yes %n\n  version: true\n"},
        "argv": "m.yaml",
    },
    # directories of variables
    "early-envdir": ini(
        "early-envdir = d\nprint = <$(A)> <$(EMPTY)> <$(TRAIL)> <$(HID)>\n",
        files={"d/A": "one\ntwo\n", "d/EMPTY": "", "d/TRAIL": "x \t\n", "d/.HID": "h"},
        env={"EMPTY": "there"},
    ),
    "early-envdir-missing": ini("early-envdir = none\n"),
    "early-envdir-and-logic": ini("early-envdir = d\nif-env = A\nprint = %(_)\nendif =\n", files={"d/A": "v"}),
    "envdir-is-too-late": ini("envdir = d\nprint = x$(A)\n", files={"d/A": "v"}),
    # placeholders and arithmetic
    "forward-reference": ini("print = %(late)\nlate = %(later)\nlater = x\nprint = =%(late)\n"),
    "nested-placeholder": ini("a = b\nb = c\nprint = x%(%(a))\n"),
    "arithmetic-signs": ini("n = 7\nprint = x%(n - 10) %(n * n) %(n / 2) %(0 - n) %(n -- --) %(n + )\n"),
    "arithmetic-cpus": ini("print = x%(%k * 2) %(%k + 1 * 3)\n"),
    "arithmetic-text": ini("a = x\nprint = y%(a a) %(a + 1) %(a 1 2) %(1 a)\n"),
    "arithmetic-blanks": ini("n = 3\nprint = x%( n + 1 ) %(n  +  1)\n"),
    "arithmetic-odd": ini("a = 4\nprint = x%( /)|%(/ 2)|%(+ 2)|%(a +)|%( )|%(++ )|%( no)|%(a /  )|%( + +)|%(- a)|%(a + + 2)\n"),
    "blank-in-name": ini("n = 3\nprint = x%( n ) %(n )\n"),
    "unclosed": ini("a = 1\nprint = x%(a %(a) $( @( )\n"),
    "parentheses": ini("a = 1\nprint = x(%(a)) ((%(a) f(x) %(a) )\n"),
    "first-definition-wins": ini("a = 1\nset = a=2\nprint = x%(a)\na = 3\n"),
    "placeholder-in-set": ini("b = 5\nset = a=%(b)\nprint = x%(a)\n"),
    "placeholder-of-option": ini("processes = 4\nprint = x%(processes)\n"),
    "placeholder-empty": ini("a =\nprint = x%(a)y\n"),
    "log-format-stays": ini("log-format = %(addr) %(uri)\nprint = x%(addr) %(log-format)\n"),
    # environment and sources
    "env-in-placeholder": ini("a = $(E)\nprint = x%(a)\n", env={"E": "v"}),
    "env-gives-placeholder": ini("a = 1\nprint = x$(E)\n", env={"E": "%(a)"}),
    "env-unset": ini("print = x$(NOT_SET_AT_ALL)y\n"),
    "env-empty": ini("print = x$(E)y\n", env={"E": ""}),
    "at-file": ini("print = x@(f)y\n", files={"f": "one\ntwo\n"}),
    "at-file-crlf": ini("print = x@(f)y\n", files={"f": "one\r\n"}),
    "at-file-empty": ini("print = x@(f)y\n", files={"f": ""}),
    "at-file-missing": ini("print = x@(f)y\n"),
    "at-exec": ini("print = x@(exec://printf a)y\n"),
    "at-of-env": ini("print = x@($(F))y\n", files={"f": "content"}, env={"F": "f"}),
    "stdin": {"files": {}, "argv": "--ini -", "stdin": "[uwsgi]\nprint = o=%o n=%n\n" + END},
    "descriptor": {"files": {}, "argv": "--ini fd://0", "stdin": "[uwsgi]\nprint = o=%o\n" + END},
    "exec": {"files": {"f": "[a]\nprint = a\n" + END}, "argv": ["--ini", "exec://cat f:a"]},
    # the format
    "odd-lines": ini("  a  =  b  \n\tprint\t=\tx%(a)y\n=nothing\n;c\n#c\nprint = p=q=r\nprint =\n"),
    "sections-again": {"files": {"m.ini": "[uwsgi]\nprint = 1\n[x]\nprint = 2\n[uwsgi]\nprint = 3\n" + END}, "argv": "--ini m.ini"},
    "section": {"files": {"m.ini": "[uwsgi]\nprint = 1\n[x]\nprint = 2 %x\n" + END}, "argv": "--ini m.ini:x"},
    "section-of-same-file": ini("ini = :x\nprint = 1\n[x]\nprint = 2 %x\n"),
    "carriage-returns": {"files": {"m.ini": "[uwsgi]\r\nprint = a\r\n\r\nversion = true\r\n"}, "argv": "--ini m.ini"},
    "no-ascii": ini("größe = 5\nprint = ü%(größe)\n"),
    "show-config": ini("a\nb = \nc = 1 ; x\nset = d=e\nshow-config = true\nexit-not = 1\n", expect_shown=True),
    # magic variables
    "magic-all": ini("".join(f"print = {letter}=<%{letter}>\n" for letter in "opsdencxivhuUgGkV0123456789OPSDENCXIJj")),
    "magic-joins": ini("a = 100%\nprint = x\nprint = y%(a)\n"),
    "magic-comment-joins": ini("# 100%\nprint = x\nprint = y\n"),
    "magic-unknown": ini("print = <%q%Y%z%%%_%!%-> %\n"),
    "magic-dots": {"files": {"d.e/.hid.den.ini": "[uwsgi]\nprint = <%n> <%e> <%s> <%c> <%d>\n" + END}, "argv": "--ini d.e/.hid.den.ini"},
    "magic-link": {
        "files": {"a/b/m.ini": "[uwsgi]\nprint = <%p> <%d> <%c> <%0> <%1> <%2> <%3>\n" + END},
        "links": {"l.ini": "a/b/m.ini", "ld": "a/b"},
        "argv": "--ini l.ini",
    },
    "magic-linked-directory": {
        "files": {"a/b/m.ini": "[uwsgi]\nprint = <%p> <%d> <%c>\n" + END},
        "links": {"ld": "a/b"},
        "argv": "--ini ld//./m.ini",
    },
    "magic-in-include": ini("print = %n\ninclude = d/t.ini\nprint = %n\n", files={"d/t.ini": "[uwsgi]\nprint = %n %N %d\n"}),
    # inclusion
    "include-order": ini("print = 1\ninclude = t.ini\nprint = 3\n", files={"t.ini": "[uwsgi]\nprint = 2\n"}),
    "include-missing": ini("include = none.ini\n"),
    "include-suffix": ini("include = none.txt\n", files={"none.txt": "[uwsgi]\n"}),
    "inherit-last": {
        "files": {"m.ini": "[uwsgi]\ninherit = t.ini\nprint = 1 %(a)\n", "t.ini": "[uwsgi]\na = x\nprint = 2 %(a)\n" + END},
        "argv": "--ini m.ini",
    },
    "two-files": {"files": {"a.ini": "[uwsgi]\nprint = a %N\n", "b.ini": "[uwsgi]\nprint = b %N\n" + END}, "argv": "--ini a.ini --ini b.ini"},
    "inject": ini("print = 2\n", files={"b": "[uwsgi]\nprint = 1 %n\n"}) | {"argv": "--inject-before b --ini m.ini"},
    # logic
    "if-env": ini("if-env = E\nprint = %(_)\nendif =\nif-env = E=v\nprint = eq %(_)\nendif =\nif-env = E=w\nprint = no\nendif =\nif-not-env = E=w\nprint = ne %(_)\nend =\n", env={"E": "v"}),
    "if-env-empty": ini("if-env = E\nprint = set [%(_)]\nendif =\nif-not-env = N\nprint = unset [%(_)]\nendif =\n", env={"E": ""}),
    "if-opt": ini("processes = 4\na = b\nif-opt = processes\nprint = %(_)\nendif =\nif-opt = a=b\nprint = eq\nend-if =\nif-opt = a=c\nprint = no\nendif =\nif-not-opt = none\nprint = none\nendif =\n"),
    "if-files": ini("if-exists = d\nprint = e %(_)\nendif =\nif-file = d\nprint = no\nendif =\nif-dir = d\nprint = d %(_)\nendif =\nif-file = m.ini\nprint = f\nendif =\nif-not-file = none\nprint = n\nendif =\nif-not-dir = m.ini\nprint = nd\nendif =\n", files={"d/x": ""}),
    "if-reload": ini("if-reload =\nprint = no\nendif =\nif-not-reload =\nprint = first [%(_)]\nendif =\n"),
    "if-reloaded": ini("if-reload =\nprint = again\nendif =\n", env={"UWSGI_RELOADS": "1"}),
    "for-words": ini("for = a  b c\nprint = %(_)-%(_)\nset = k%(_)=%(_)\nendfor =\nprint = x%(ka)%(kb)\n"),
    "for-empty": ini("for =\nprint = no\nendfor =\nprint = after\n"),
    "for-times": ini("for-times = 3\nprint = %(_)\nendfor =\nfor-times = 0\nprint = none\nendfor =\n"),
    "for-glob": ini("for-glob = d/*\nprint = %(_)\nendfor =\n", files={"d/b": "", "d/.h": "", "d/a": "", "d/c/x": ""}),
    "for-lines": ini("for-readline = f\nprint = [%(_)]\nendfor =\n", files={"f": "a\r\n\n b \nc"}),
    "for-in-include": ini("for = 1 2\ninclude = t.ini\nendfor =\n", files={"t.ini": "[uwsgi]\nprint = t\n"}),
    "for-keys": ini("for = a b\n%(_)x = 1\nendfor =\nprint = x%(ax)\n"),
    "stray-end": ini("endif =\nendfor =\nprint = x\n"),
    "exit-in-if": ini("print = no\nif-env = E\nexit = 3\nendif =\n", env={"E": ""}),
    # options of one's own
    "declare-words": ini("declare-option = o=print=1$1 2$2 3$3;iprint=i$1\no = a b c d\no = a\nprint = later\n"),
    "declare-blanks": ini("declare-option = o=print=[$1][$2]\no = a  b\no =  a\no =\no = 'a b'\n"),
    "declare-late": ini("o = a\ndeclare-option = o=print=x$1\nprint = y\n"),
    "declare-deferred": ini("print = 1\ndeclare-option2 = o=print=2$1\no = a\nprint = 3\n"),
    "declare-in-for": ini("declare-option = o=print=x$1\nfor = 1 2\no = %(_)\nendfor =\n"),
    "declare-nothing": ini("declare-option = o\n"),
    # lists, strict, commands
    "blacklist": ini("blacklist = processes print\nprocesses = 2\n"),
    "blacklist-ended": ini("blacklist = processes\nend-blacklist =\nprocesses = 2\nprint = x\n"),
    "whitelist": ini("whitelist = print version end-whitelist\nprocesses = 2\n"),
    "strict": ini("strict = true\nset-ph = a=1\nprint = x%(a)\n"),
    "strict-fails": ini("a = 1\nstrict = true\n"),
    "placeholder-taken": ini("set-ph = processes=1\n"),
    "set-wrong": ini("set = nothing\n"),
    "get": {"files": {"m.ini": "[uwsgi]\na = 1\na = 2\nprocesses = 3\nprint = p\n"}, "argv": "--ini m.ini --get a --get none --get processes"},
    "exit": ini("exit = 4\n"),
    "exit-word": ini("exit = x\n"),
    "iprint-first": ini("print = 2\niprint = 1\n"),
    "negative": ini("harakiri = -1\n"),
    # the command line and the environment
    "words": {"files": {}, "argv": ["--print", "a b", "--print=c=d", "--iprin", "x", "--version"]},
    "expansion-of-words": {"files": {"f": "x\n"}, "argv": ["--print", "%n $(E) @(f) %(a)", "--set", "a=b", "--version"], "env": {"E": "v"}},
    "letters": {"files": {}, "argv": "-MTp4 -S a=b --print x%(a)%(processes) --version"},
    "letter-with-value": {"files": {}, "argv": "-p 4 -C666 --print x%(processes) --version"},
    "unknown-word": {"files": {}, "argv": "--no-such-option --version"},
    "ambiguous-word": {"files": {}, "argv": "--sock x --version"},
    "value-missing": {"files": {}, "argv": "--version --processes"},
    "value-not-wanted": {"files": {}, "argv": "--master=1 --version"},
    "positional-last": {"files": {"a.ini": "[uwsgi]\nprint = a\n" + END, "b.ini": "[uwsgi]\nprint = b\n"}, "argv": "a.ini --ini b.ini --print c"},
    "positional-missing": {"files": {}, "argv": "none.ini"},
    "padding": {"files": {"m.ini": "[uwsgi]\nprint = x\n" + END}, "argv": ["[padding]", "--ini", "m.ini"]},
    "environment": ini("print = 2\n", env={"UWSGI_PRINT": "1 %n $(E)", "UWSGI_SET": "a=b", "E": "v"}),
    "environment-file": ini("print = 2\n", env={"UWSGI_INI": "e.ini"}, files={"e.ini": "[uwsgi]\nprint = 1 %N\n"}),
    **FILES,
    **VALUES,
    **LOGIC,
    **WORDS,
    **MORE,
}
