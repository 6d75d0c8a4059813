//! Rust source reduced to what counting needs: comments and literals blanked, test code cut.

/// The source with the inside of comments, strings and character literals replaced by spaces; line breaks stay, so
/// that line numbers and indentation are those of the source.
pub fn blank_text(source: &str) -> String {
    let characters: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while at < characters.len() {
        let end = literal_end(&characters, at);
        if end == at {
            out.push(characters[at]);
            at += 1;
        }
        while at < end {
            out.push(if characters[at] == '\n' { '\n' } else { ' ' });
            at += 1;
        }
    }
    out
}

/// One past the comment or literal that starts at `at`; `at` itself when none starts there.
fn literal_end(text: &[char], at: usize) -> usize {
    let next = text.get(at + 1).copied();
    match text[at] {
        '/' if next == Some('/') => (at..text.len()).find(|&i| text[i] == '\n').unwrap_or(text.len()),
        '/' if next == Some('*') => block_comment_end(text, at),
        '"' => quoted_end(text, at + 1, '"'),
        '\'' => character_end(text, at),
        'r' if !continues_name(text, at) => raw_string_end(text, at),
        _ => at,
    }
}

/// Whether the character before `at` belongs to the same identifier (`for"` is no raw string; `br"` is one).
fn continues_name(text: &[char], at: usize) -> bool {
    let is_name = |i: usize| text[i].is_alphanumeric() || text[i] == '_';
    match at {
        0 => false,
        _ if text[at - 1] == 'b' || text[at - 1] == 'c' => at > 1 && is_name(at - 2),
        _ => is_name(at - 1),
    }
}

fn block_comment_end(text: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at + 1 < text.len() {
        match (text[at], text[at + 1]) {
            ('/', '*') => (depth, at) = (depth + 1, at + 2),
            ('*', '/') => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

fn quoted_end(text: &[char], start: usize, quote: char) -> usize {
    let mut at = start;
    while at < text.len() {
        match text[at] {
            '\\' => at += 2,
            found if found == quote => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// A quote starts a character literal when it closes after one character or an escape; otherwise it is a lifetime.
fn character_end(text: &[char], at: usize) -> usize {
    if text.get(at + 1) == Some(&'\\') {
        quoted_end(text, at + 1, '\'')
    } else if text.get(at + 2) == Some(&'\'') {
        at + 3
    } else {
        at
    }
}

fn raw_string_end(text: &[char], at: usize) -> usize {
    let hashes = text[at + 1..].iter().take_while(|c| **c == '#').count();
    let open = at + 1 + hashes;
    if text.get(open) != Some(&'"') {
        return at;
    }
    let closes = |i: usize| text[i] == '"' && (1..=hashes).all(|k| text.get(i + k) == Some(&'#'));
    (open + 1..text.len()).find(|&i| closes(i)).map_or(text.len(), |i| i + 1 + hashes)
}

/// For each line of blanked, rustfmt-ed source: whether it belongs to the product. Items behind a `#[cfg(test)]` at
/// column 0 do not.
pub fn product_lines(blanked: &str) -> Vec<bool> {
    let lines: Vec<&str> = blanked.lines().collect();
    let mut product = vec![true; lines.len()];
    let mut at = 0;
    while at < lines.len() {
        if lines[at].starts_with("#[cfg(test)]") {
            let end = item_end(&lines, at);
            product[at..=end].fill(false);
            at = end;
        }
        at += 1;
    }
    product
}

/// The last line of the item whose first attribute stands at column 0 of line `start`.
fn item_end(lines: &[&str], start: usize) -> usize {
    let ends = |line: &str| {
        let inside_item = line.starts_with(char::is_whitespace) || line.starts_with('#');
        let line = line.trim_end();
        !inside_item && (line.ends_with(';') || line.ends_with('}'))
    };
    (start + 1..lines.len()).find(|&i| ends(lines[i])).unwrap_or(lines.len() - 1)
}

/// A function of the product: name, first line (1-based) and number of lines from `fn` to the closing brace.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
}

/// Functions with a body in blanked, rustfmt-ed source, where a body ends with the brace that closes its first one.
pub fn functions(blanked: &str) -> Vec<Function> {
    let lines: Vec<&str> = blanked.lines().collect();
    let product = product_lines(blanked);
    (0..lines.len())
        .filter(|&first| product[first])
        .filter_map(|first| {
            let name = function_name(lines[first])?;
            let last = body_end(&lines, first)?;
            Some(Function { name, line: first + 1, lines: last - first + 1 })
        })
        .collect()
}

/// The name when the line starts a function, whatever stands before `fn` (`pub(crate) const unsafe extern "C"`).
fn function_name(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    loop {
        match words.next()? {
            "fn" => break,
            "pub" | "const" | "async" | "unsafe" | "extern" | "default" => {}
            word if word.starts_with("pub(")
                || word.ends_with(')') && line.trim_start().starts_with("pub(") => {}
            _ => return None,
        }
    }
    let name: String = words.next()?.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

fn body_end(lines: &[&str], first: usize) -> Option<usize> {
    let mut depth = 0_i64; // of all brackets, so that the `;` of `[f32; 8]` in a signature ends nothing
    let mut in_body = false;
    for (index, line) in lines.iter().enumerate().skip(first) {
        for character in line.chars() {
            match character {
                '{' | '(' | '[' => {
                    in_body |= character == '{' && depth == 0;
                    depth += 1;
                }
                '}' | ')' | ']' => depth -= 1,
                ';' if depth == 0 => return None, // a declaration without a body
                _ => {}
            }
            if in_body && depth == 0 {
                return Some(index);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked() {
        let source = "let a = \"{ // \\\" \"; // }\nlet b = r#\"}\"}\"#; /* { /* } */ { */ let c = '{'; let d: &'a str;\n";
        let blanked = blank_text(source);
        assert_eq!(blanked.lines().count(), 2);
        assert!(!blanked.contains(['{', '}', '"']), "{blanked}");
        assert!(blanked.contains("let c =") && blanked.contains("&'a str;"), "{blanked}");
        assert_eq!(
            blank_text("br\"{\" '\\'' b'}' for"),
            format!("b{} b{} for", " ".repeat(4 + 1 + 4), " ".repeat(3))
        );
    }

    #[test]
    fn test_items_are_cut_and_the_rest_counts() {
        let source = "fn a() {}\n#[cfg(test)]\nmod tests;\nfn b() {}\n#[cfg(test)]\n#[path = \"x.rs\"]\nmod more {\n    fn c() {}\n}\nfn d() {}\n";
        let product = product_lines(&blank_text(source));
        assert_eq!(product, [true, false, false, true, false, false, false, false, false, true]);
    }

    #[test]
    fn functions_are_measured() {
        let source = "trait T {\n    fn declared(&self) -> [u8; 4];\n}\nimpl T for S {\n    pub(crate) const fn long<const N: usize>(\n        x: [u8; N],\n    ) -> u8\n    where\n        S: Sized,\n    {\n        let f = |y| {\n            y\n        };\n        \"}\";\n        f(x[0])\n    }\n}\npub fn one() -> u8 { 1 }\nlet fn_like = 1;\n";
        let found = functions(&blank_text(source));
        let expected = [("long", 5, 12), ("one", 18, 1)];
        let found: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.line, f.lines)).collect();
        assert_eq!(found, expected);
    }
}
