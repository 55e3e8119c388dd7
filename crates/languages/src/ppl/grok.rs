//! Grok's patterns as regular expressions: `%{IP:client}` is a group called `client`.
//!
//! Spec:    github.com/logstash-plugins/logstash-patterns-core, `patterns/legacy/grok-patterns`
//! Missing: patterns with look-ahead or look-behind are their plain part; types of fields (`%{INT:n:int}`) are read and not needed

/// How deep patterns name others.
const DEPTH_MAX: usize = 8;

/// By their names, in order.
const PATTERNS: &[(&str, &str)] = &[
    ("BASE10NUM", r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"),
    ("COMBINEDAPACHELOG", r"%{COMMONAPACHELOG} %{QS:referrer} %{QS:agent}"),
    (
        "COMMONAPACHELOG",
        r#"%{IPORHOST:clientip} %{USER:ident} %{USER:auth} \[%{HTTPDATE:timestamp}\] "(?:%{WORD:verb} %{NOTSPACE:request}(?: HTTP/%{NUMBER:httpversion})?|%{DATA:rawrequest})" %{NUMBER:response} (?:%{NUMBER:bytes}|-)"#,
    ),
    ("DATA", r".*?"),
    ("DATE", r"(?:%{DATE_US}|%{DATE_EU})"),
    ("DATESTAMP", r"%{DATE}[- ]%{TIME}"),
    ("DATE_EU", r"%{MONTHDAY}[./-]%{MONTHNUM}[./-]%{YEAR}"),
    ("DATE_US", r"%{MONTHNUM}[/-]%{MONTHDAY}[/-]%{YEAR}"),
    ("DAY", r"(?:Mon(?:day)?|Tue(?:sday)?|Wed(?:nesday)?|Thu(?:rsday)?|Fri(?:day)?|Sat(?:urday)?|Sun(?:day)?)"),
    ("EMAILADDRESS", r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~.-]+@%{HOSTNAME}"),
    ("GREEDYDATA", r".*"),
    ("HOSTNAME", r"\b[0-9A-Za-z][0-9A-Za-z-]{0,62}(?:\.[0-9A-Za-z][0-9A-Za-z-]{0,62})*\.?\b"),
    ("HOSTPORT", r"%{IPORHOST}:%{POSINT}"),
    ("HOUR", r"(?:2[0123]|[01]?[0-9])"),
    ("HTTPDATE", r"%{MONTHDAY}/%{MONTH}/%{YEAR}:%{TIME} %{INT}"),
    ("INT", r"[+-]?[0-9]+"),
    ("IP", r"(?:%{IPV6}|%{IPV4})"),
    ("IPORHOST", r"(?:%{IP}|%{HOSTNAME})"),
    ("IPV4", r"(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})"),
    (
        "IPV6",
        r"(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}|(?:[0-9A-Fa-f]{1,4}:){1,7}:(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4})*)?|::(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4})*)?",
    ),
    ("ISO8601_TIMEZONE", r"(?:Z|[+-]%{HOUR}(?::?%{MINUTE}))"),
    (
        "LOGLEVEL",
        r"(?i:trace|debug|notice|info(?:rmation)?|warn(?:ing)?|err(?:or)?|crit(?:ical)?|fatal|severe|alert|emerg(?:ency)?)",
    ),
    ("MAC", r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}"),
    ("MINUTE", r"[0-5][0-9]"),
    (
        "MONTH",
        r"\b(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|Jun(?:e)?|Jul(?:y)?|Aug(?:ust)?|Sep(?:tember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b",
    ),
    ("MONTHDAY", r"(?:0[1-9]|[12][0-9]|3[01]|[1-9])"),
    ("MONTHNUM", r"(?:0[1-9]|1[0-2]|[1-9])"),
    ("NONNEGINT", r"\b[0-9]+\b"),
    ("NOTSPACE", r"\S+"),
    ("NUMBER", r"%{BASE10NUM}"),
    ("PATH", r"(?:%{UNIXPATH}|%{WINPATH})"),
    ("POSINT", r"\b[1-9][0-9]*\b"),
    ("PROG", r"[\x21-\x5a\x5c\x5e-\x7e]+"),
    ("QS", r"%{QUOTEDSTRING}"),
    ("QUOTEDSTRING", r#"(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"#),
    ("SECOND", r"(?:[0-5]?[0-9]|60)(?:[:.,][0-9]+)?"),
    ("SPACE", r"\s*"),
    ("SYSLOGHOST", r"%{IPORHOST}"),
    ("SYSLOGTIMESTAMP", r"%{MONTH} +%{MONTHDAY} %{TIME}"),
    ("TIME", r"%{HOUR}:%{MINUTE}(?::%{SECOND})?"),
    ("TIMESTAMP_ISO8601", r"%{YEAR}-%{MONTHNUM}-%{MONTHDAY}[T ]%{HOUR}:?%{MINUTE}(?::?%{SECOND})?%{ISO8601_TIMEZONE}?"),
    ("TZ", r"(?:[APMCE][SD]T|UTC)"),
    ("UNIXPATH", r"(?:/[\w_%!$@:.,+~-]*)+"),
    ("URI", r"%{URIPROTO}://(?:%{USER}(?::[^@]*)?@)?(?:%{URIHOST})?(?:%{URIPATHPARAM})?"),
    ("URIHOST", r"%{IPORHOST}(?::%{POSINT})?"),
    ("URIPARAM", r"\?[A-Za-z0-9$.+!*'|(){},~@#%&/=:;_?\-\[\]<>]*"),
    ("URIPATH", r"(?:/[A-Za-z0-9$.+!*'(){},~:;=@#%&_\-]*)+"),
    ("URIPATHPARAM", r"%{URIPATH}(?:%{URIPARAM})?"),
    ("URIPROTO", r"[A-Za-z][A-Za-z0-9+.-]*"),
    ("USER", r"%{USERNAME}"),
    ("USERNAME", r"[a-zA-Z0-9._-]+"),
    ("UUID", r"[A-Fa-f0-9]{8}-(?:[A-Fa-f0-9]{4}-){3}[A-Fa-f0-9]{12}"),
    ("WINPATH", r"(?:[A-Za-z]:|\\)(?:\\[^\\?*]*)+"),
    ("WORD", r"\b\w+\b"),
    ("YEAR", r"(?:\d\d){1,2}"),
];

/// The expression that a pattern stands for; the name of a pattern that is not known.
pub(super) fn expanded(pattern: &str) -> Result<String, String> {
    expand(pattern, 0)
}

fn expand(pattern: &str, depth: usize) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some((before, behind)) = rest.split_once("%{") {
        let (reference, behind) = behind.split_once('}').ok_or_else(|| behind.to_owned())?;
        let mut parts = reference.split(':');
        let (name, field) = (parts.next().unwrap_or_default(), parts.next());
        let known = PATTERNS.iter().find(|(known, _)| *known == name).filter(|_| depth < DEPTH_MAX);
        let (_, own) = known.ok_or_else(|| name.to_owned())?;
        let own = expand(own, depth + 1)?;
        out.push_str(before);
        match field {
            Some(field) => out.push_str(&format!("(?P<{field}>{own})")),
            None => out.push_str(&format!("(?:{own})")),
        }
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The groups with names that the pattern finds in a line.
    #[track_caller]
    fn check(pattern: &str, line: &str, expected: &[(&str, &str)]) {
        let expression = regex::Regex::new(&expanded(pattern).unwrap()).unwrap();
        let captures = expression.captures(line).unwrap_or_else(|| panic!("{pattern} does not match {line}"));
        let found: Vec<(&str, &str)> =
            expression.capture_names().flatten().filter_map(|name| Some((name, captures.name(name)?.as_str()))).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn lines_are_taken_apart() {
        check("%{IP:client} took %{NUMBER:ms}", "10.0.0.7 took 12.5 ms", &[("client", "10.0.0.7"), ("ms", "12.5")]);
        check(
            "^%{TIMESTAMP_ISO8601:at} %{LOGLEVEL:level} %{GREEDYDATA:rest}$",
            "2026-11-21T12:00:00.5Z WARN disk is full",
            &[("at", "2026-11-21T12:00:00.5Z"), ("level", "WARN"), ("rest", "disk is full")],
        );
        check("id=%{UUID:id}", "id=8e2f6a51-0d3c-4b7e-9a11-2c3d4e5f6a7b", &[("id", "8e2f6a51-0d3c-4b7e-9a11-2c3d4e5f6a7b")]);
        check(".+@%{HOSTNAME:host}", "jo@shop.example.com", &[("host", "shop.example.com")]);
        check(
            "%{COMMONAPACHELOG}",
            r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326"#,
            &[
                ("clientip", "127.0.0.1"),
                ("ident", "-"),
                ("auth", "frank"),
                ("timestamp", "10/Oct/2000:13:55:36 -0700"),
                ("verb", "GET"),
                ("request", "/apache_pb.gif"),
                ("httpversion", "1.0"),
                ("response", "200"),
                ("bytes", "2326"),
            ],
        );
    }

    #[test]
    fn every_pattern_is_an_expression() {
        for (name, _) in PATTERNS {
            let expression = expanded(&format!("%{{{name}}}")).unwrap();
            assert!(regex::Regex::new(&expression).is_ok(), "{name}: {expression}");
        }
        assert!(PATTERNS.is_sorted());
    }

    #[test]
    fn what_is_not_known_is_named() {
        assert_eq!(expanded("%{NOSUCH:a}"), Err("NOSUCH".to_owned()));
        assert!(expanded("%{INT").is_err());
    }
}
