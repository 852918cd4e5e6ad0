/// Small templates and what Jinja 3.1 makes of them, given one message of a user, " Hi There ".
enum ChatTemplateExpressions {
    static let all: [(source: String, result: String)] = [
        (
            "{{ 1 + 2 * 3 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7 "
                + "/ 2 }} {{ 2.5 + 1 }} {{ 1_000 }} {{ -3 }}",
            "7 3 -4 2 -2 3.5 3.5 1000 -3"
        ),
        ("{{ 'a' ~ 1 ~ true ~ none ~ 2.0 ~ nope }}", "a1TrueNone2.0"),
        ("{{ 'a' 'b' \"c\" }} {{ 'x' * 3 }} {{ 'q' * 0 }} {{ 'q' * -2 }}", "abc xxx  "),
        (
            "{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 }} {{ true == 1 }} {{ 'a' < "
                + "'b' }} {{ 'a' != 'A' }} {{ none == none }}",
            "True False True True True True True"
        ),
        (
            "{{ 'a' in 'abc' }} {{ 'z' not in 'abc' }} {{ 1 in [1,2] }} {{ 'k' in "
                + "{'k':1} }} {{ 'x' in nope }} {{ '' in 'a' }}",
            "True True True True False True"
        ),
        (
            "{{ not true and false or true }} {{ not 1 == 2 }} {{ 0 or 'd' }} {{ 'a' "
                + "and 'b' }} {{ none or false }}",
            "True True d b False"
        ),
        (
            "{{ nope is defined }} {{ nope is not defined }} {{ messages is defined }} "
                + "{{ not nope is defined }} {{ nope is undefined }}",
            "False True True True True"
        ),
        (
            "{{ nope }}|{{ nope == other }}|{{ nope|length }}|{{ nope|default('d') "
                + "}}|{{ ''|default('d') }}|{{ ''|default('d', true) }}|{{ ''|d('e', "
                + "boolean=true) }}",
            "|True|0|d||d|e"
        ),
        (
            "{{ messages[0].content }}|{{ messages[0]['content']|trim }}|{{ "
                + "messages[0].content.strip().lower() }}|{{ messages[-1].role|upper }}",
            " Hi There |Hi There|hi there|USER"
        ),
        (
            "{{ messages[0].get('role') }} {{ messages[0].get('nope') }} {{ "
                + "messages[0].get('nope', 'x') }} {{ messages[5] }} {{ messages[0].nope is "
                + "none }}",
            "user None x  False"
        ),
        (
            "{{ 'abcdef'[1:3] }} {{ 'abcdef'[-2:] }} {{ 'abcdef'[::-1] }} {{ "
                + "'abcdef'[::2] }} {{ 'abcdef'[10:] }} {{ 'abcdef'[:-10] }} {{ "
                + "'abcdef'[4:1:-1] }} {{ 'abc'[1] }} {{ 'abc'[9] }} {{ ''[::-1] }} {{ "
                + "'abc'[-1:-9:-2] }} {{ 'abc'[5::-1] }}",
            "bc ef fedcba ace   edc b   ca cba"
        ),
        (
            "{{ 'abc'[::9223372036854775807] }} {{ 'abc'[9223372036854775807:] }} {{ "
                + "'abc'[:-9223372036854775807] }}",
            "a  "
        ),
        (
            "{{ [1,2,3][1:]|length }} {{ [1,2,3]|first }} {{ [1,2,3]|last }} {{ "
                + "[3,4]|join(', ') }} {{ ['a','b']|join }} {{ (1,2)|length }} {{ "
                + "[1,2]|reverse|join }} {{ 'abc'|reverse }}",
            "2 1 3 3, 4 ab 2 21 cba"
        ),
        (
            "{% for k, v in {'a':1,'b':2}.items() %}{{ k }}={{ v }};{% endfor %}{% for "
                + "k in {'a':1} %}{{k}}{% endfor %}",
            "a=1;b=2;a"
        ),
        (
            "{% for x in [1,2,3,4] if x % 2 == 0 %}{{ loop.index }}/{{ loop.length "
                + "}}:{{ x }}{{ ',' if not loop.last }}{% else %}none{% endfor %}",
            "1/2:2,2/2:4"
        ),
        (
            "{% for x in [] %}a{% else %}empty{% endfor %}{% for x in nope %}a{% else "
                + "%}undef{% endfor %}",
            "emptyundef"
        ),
        (
            "{% for x in [1,2,3] %}{{ loop.index0 }}{{ loop.revindex }}{{ "
                + "loop.revindex0 }}{{ loop.first }}{{ loop.previtem }}{{ loop.nextitem "
                + "}};{% endfor %}",
            "032True2;121False13;210False2;"
        ),
        ("{% for x in 'a\u{F1}b' %}[{{ x }}]{% endfor %}", "[a][\u{F1}][b]"),
        (
            "{% for x in range(3) %}{{ x }}{% endfor %}{% for x in range(5,1,-2) %}{{ "
                + "x }}{% endfor %}{% for x in range(1,3) %}{{ x }}{% endfor %}",
            "0125312"
        ),
        (
            "{% for x in range(9223372036854775806,9223372036854775807,5) %}{{ x }}{% "
                + "endfor %}",
            "9223372036854775806"
        ),
        (
            "{% for x in [1,2,3,4] %}{% if x == 2 %}{% continue %}{% endif %}{% if x "
                + "== 4 %}{% break %}{% endif %}{{ x }}{% endfor %}",
            "13"
        ),
        (
            "{% set x = 1 %}{% for i in [1,2] %}{% set x = x + 1 %}{{ x }}{% endfor "
                + "%}{{ x }}",
            "221"
        ),
        (
            "{% set ns = namespace(a=1, b='q') %}{% for i in [1,2] %}{% set ns.a = "
                + "ns.a + 1 %}{% endfor %}{{ ns.a }}{{ ns.b }}{{ ns.c is defined }}{{ "
                + "ns['a'] }}",
            "3qFalse3"
        ),
        ("{% set a, b = 1, 2 %}{{ a }}{{ b }}", "12"),
        ("{% set a, b = [1, 2] %}{{ a }}{{ b }}", "12"),
        ("{% set x %}inner {{ 1 + 1 }}{% endset %}[{{ x }}]", "[inner 2]"),
        (
            "{% if false %}a{% elif 1 %}b{% else %}c{% endif %}{% if [] %}a{% elif {} "
                + "%}b{% else %}c{% endif %}",
            "bc"
        ),
        (
            "{{ 'yes' if messages else 'no' }} {{ 'x' if false }} {{ 'a' if false else "
                + "'b' if false else 'c' }}",
            "yes  c"
        ),
        (
            "{{ 'a,b,c'.split(',')|length }} {{ 'a,b,c'.split(',')[-1] }} {{ "
                + "'a,b,c'.split(',', 1)[1] }} {{ ' a  b '.split()|join('|') }} {{ "
                + "'abc'.split('x')[0] }}",
            "3 c b,c a|b abc"
        ),
        (
            "{{ 'abc'.startswith('a') }} {{ 'abc'.endswith(('x','c')) }} {{ "
                + "'abc'.startswith('abcd') }} {{ 'abc'.replace('b','--') }} {{ "
                + "'aaa'|replace('a','b') }}",
            "True True False a--c bbb"
        ),
        (
            "{{ '  x '.lstrip() }}|{{ '  x '.rstrip() }}|{{ 'xxaxx'.strip('x') }}|{{ "
                + "'xyaxy'|trim('yx') }}|{{ 'hello World'|capitalize }}|{{ '\u{E9}a'.upper() "
                + "}}|{{ '\u{DF}'|upper }}",
            "x |  x|a|a|Hello world|\u{C9}A|SS"
        ),
        (
            "{{ 1 is number }} {{ 1 is integer }} {{ true is integer }} {{ 1.5 is "
                + "float }} {{ 'a' is string }} {{ [] is sequence }} {{ {} is mapping }} {{ "
                + "'a' is iterable }} {{ 1 is iterable }} {{ none is none }} {{ true is true "
                + "}} {{ 1 is true }} {{ false is boolean }} {{ true is number }}",
            "True True False True True True True True False True True False True True"
        ),
        (
            "{{ 4 is even }} {{ 4 is odd }} {{ 9 is divisibleby 3 }} {{ 9 is "
                + "divisibleby(2) }} {{ 1 is eq 1 }} {{ 1 is in [1] }} {{ 'a' is equalto 'b' "
                + "}} {{ 3 is gt 2 }} {{ 3 is not odd }}",
            "True False True False True True False True False"
        ),
        (
            "{{ messages|selectattr('role','equalto','user')|list|length }} {{ "
                + "messages|selectattr('role','==','tool')|list|length }} {{ "
                + "messages|rejectattr('content')|list|length }} {{ "
                + "messages|map(attribute='role')|join(',') }} {{ "
                + "messages|selectattr('nope')|list|length }} {{ "
                + "messages|selectattr('nope','defined')|list|length }}",
            "1 0 0 user 0 0"
        ),
        ("b' }}", "b' }}"),
        (
            "{{ '5'|int + 1 }} {{ 'x'|int }} {{ 3.9|int }} {{ 'x'|int(7) }} {{ "
                + "5|string + 'a' }} {{ true|string }}",
            "6 0 3 7 5a True"
        ),
        (
            "{{ [1,2] == [1,2] }} {{ {'a':1} == {'a':1} }} {{ [1] + [2] == [1,2] }} {{ "
                + "[1] != [2] }}",
            "True True True True"
        ),
        (
            "{{ {'a': {'b': 'c'}}['a']['b'] }} {{ {'a': {'b': {'z':1}}}.a.b.z }} {{ "
                + "[[1,2],[3]][0][1] }} {{ [1,2].0 }}",
            "c 1 2 1"
        ),
        ("{{ -7.5 // 2 }} {{ -7.5 % 2 }}", "-4.0 0.5"),
        ("{{ 9223372036854775807 }}", "9223372036854775807"),
        ("{{ '\u{E9}' == '\u{E9}' }} {{ 'a' 'b' == 'ab' }}", "True True"),
        (
            "{% for message in messages %}{% for c in message.content %}{% if "
                + "loop.first %}{{ message.role }}{% endif %}{% endfor %}{% endfor %}",
            "user"
        ),
        ("{%- for i in [1] -%} a {%- endfor -%} b", "ab"),
        ("{{ messages[0]['content'][0:2] ~ messages[0].content[-2] }}", " He"),
        ("{{ 'True' if True else 1 }} {{ None }} {{ False }}", "True None False"),
        (
            "{{ 'abc'|list|join('-') }} {{ messages|length }} {{ messages|count - 1 }} "
                + "{{ 'a\u{F1}'|length }}",
            "a-b-c 1 0 2"
        ),
        (
            "{{ not not true }} {{ 1 is not none }} {{ none is not none }} {{ (nope or "
                + "'x') }} {{ 'a' if 1 > 2 else none }}",
            "True True False x None"
        ),
        (
            "{% set x = messages[0] %}{{ x.content }} {% set role = x['role'] if x is "
                + "defined else '' %}{{ role }}",
            " Hi There  user"
        ),
        (
            "{{ [1,2,3,] | length }} {{ {'a':1,}|length }} {{ range(4)|length }} {{ "
                + "range(3)|list|last }}",
            "3 1 4 2"
        ),
        ("{{ dict(a=1).a }} {{ dict(a=1)|length }}", "1 1"),
        ("{{ bos_token + eos_token }}{{ add_generation_prompt }}", "<s></s>True"),
        ("{{ messages.foo }} {{ 'a'.foo }} {{ (1).foo }}", "  "),
        (
            "{{ 3 is number and 'a' is string }} {{ 1 is defined or nope is defined }} "
                + "{{ x if x is defined else 'u' }}",
            "True True u"
        ),
    ]
}
