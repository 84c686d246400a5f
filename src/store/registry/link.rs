//! `Link`: where a list goes on. Pure.
//!
//! Owns the grammar of RFC 8288 §3 as far as pagination needs it, and as registries bend it: targets unescaped, relation
//! types unquoted, several links in one header. Refuses to resolve what it finds.

use reqwest::header::HeaderValue;

/// The target of the first link whose relation is `next`.
pub(super) fn next<'a>(headers: impl IntoIterator<Item = &'a HeaderValue>) -> Option<String> {
    headers.into_iter().find_map(|header| next_of(&String::from_utf8_lossy(header.as_bytes())))
}

fn next_of(text: &str) -> Option<String> {
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let (target, after) = rest[start + 1..].split_once('>')?;
        let (parameters, following) = split_link(after);
        if parameters.iter().any(|parameter| is_next(parameter)) {
            return Some(target.trim().to_owned());
        }
        rest = following;
    }
    None
}

/// The parameters of one link, and what follows the comma that ends it.
fn split_link(text: &str) -> (Vec<&str>, &str) {
    let mut parameters = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' | b',' if !quoted => {
                parameters.push(&text[start..index]);
                start = index + 1;
                if byte == b',' {
                    return (parameters, &text[start..]);
                }
            }
            _ => {}
        }
    }
    parameters.push(&text[start..]);
    (parameters, "")
}

/// Whether a parameter is `rel` and names `next` among its relation types.
fn is_next(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    let value = value.trim().trim_matches('"');
    name.trim().eq_ignore_ascii_case("rel") && value.split_whitespace().any(|rel| rel.eq_ignore_ascii_case("next"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(headers: &[&str]) -> Option<String> {
        let headers: Vec<_> = headers.iter().map(|text| HeaderValue::from_bytes(text.as_bytes()).unwrap()).collect();
        next(&headers)
    }

    #[test]
    fn the_forms_that_registries_send() {
        let page = Some("/v2/a/tags/list?last=b&n=2".to_owned());
        assert_eq!(read(&[r#"</v2/a/tags/list?last=b&n=2>; rel="next""#]), page);
        assert_eq!(read(&["</v2/a/tags/list?last=b&n=2>;rel=next"]), page);
        assert_eq!(read(&[r#"</v2/a/tags/list?last=b&n=2> ; REL = "prev NEXT""#]), page);
        assert_eq!(read(&[r#"</first>; rel="first", </v2/a/tags/list?last=b&n=2>; rel="next""#]), page);
        assert_eq!(read(&["</prev>; rel=prev", r#"</v2/a/tags/list?last=b&n=2>; title="a, <b>; c"; rel=next"#]), page);
        assert_eq!(read(&["<https://r.io/x,y;z>; rel=next"]), Some("https://r.io/x,y;z".to_owned()));
    }

    #[test]
    fn other_relations_and_junk_are_no_next_page() {
        for text in [
            "",
            "</a>",
            "</a>; rel=prev",
            r#"</a>; rel="nextish""#,
            "</a; rel=next",
            "rel=next",
            "</a>; title=next",
            "\u{e9}<",
        ] {
            assert_eq!(read(&[text]), None, "{text}");
        }
        let bytes = HeaderValue::from_bytes(b"</\xff>; rel=next").unwrap();
        assert_eq!(next([&bytes]), Some("/\u{fffd}".to_owned()));
    }

    proptest! {
        #[test]
        fn no_header_makes_the_parser_panic(text in "[ -~]{0,80}") {
            let _ = read(&[&text]);
        }
    }
}
