//! The challenges of a `WWW-Authenticate` header (RFC 9110, section 11.6.1): several may share one line.

/// One challenge each: a scheme and its parameters.
pub fn challenges(header: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for piece in pieces(header) {
        let piece = piece.trim();
        if piece.is_empty() {
            continue;
        }
        let (name, rest) = piece.split_once([' ', '\t']).unwrap_or((piece, ""));
        // `realm="x"` goes on with the challenge before it; `Digest realm="x"` and a bare `Basic` begin one.
        let begins = !name.contains('=') && !rest.trim_start().starts_with('=');
        match found.last_mut() {
            Some(last) if !begins => {
                last.push_str(", ");
                last.push_str(piece);
            }
            _ => found.push(piece.to_owned()),
        }
    }
    found
}

/// What stands between commas that are not quoted.
fn pieces(header: &str) -> Vec<&str> {
    let (mut quoted, mut escaped, mut begin) = (false, false, 0);
    let mut pieces = Vec::new();
    for (at, byte) in header.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                pieces.push(header.get(begin..at).unwrap_or_default());
                begin = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(header.get(begin..).unwrap_or_default());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_challenges_of_one_line_are_told_apart() {
        assert_eq!(
            challenges(
                r#"Digest realm="a, \"b\"", qop="auth,auth-int", nonce=x, Basic realm="c", Negotiate"#
            ),
            [
                r#"Digest realm="a, \"b\"", qop="auth,auth-int", nonce=x"#,
                r#"Basic realm="c""#,
                "Negotiate"
            ]
        );
        assert_eq!(challenges("Basic"), ["Basic"]);
        assert_eq!(challenges(""), Vec::<String>::new());
        assert_eq!(
            challenges("Basic realm = \"a\" , charset=x"),
            ["Basic realm = \"a\", charset=x"]
        );
    }
}
