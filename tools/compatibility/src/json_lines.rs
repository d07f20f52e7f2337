//! On which line of a JSON text a value is.

/// The line, from 1, on which the value at this JSON pointer begins. A text that is no JSON, or has no
/// such value, has it on line 1.
pub(crate) fn line_of(text: &str, pointer: &str) -> u32 {
    let mut scan = Scan { bytes: text.as_bytes(), at: 0, wanted: pointer, found: None };
    let _ = scan.value(&mut String::new());
    let before = &text.as_bytes()[..scan.found.unwrap_or(0)];
    u32::try_from(before.split(|byte| *byte == b'\n').count()).unwrap_or(u32::MAX)
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    wanted: &'a str,
    found: Option<usize>,
}

/// The text is no JSON, or the value is found.
struct Over;

impl Scan<'_> {
    fn peek(&mut self) -> Result<u8, Over> {
        while let Some(byte) = self.bytes.get(self.at) {
            if !byte.is_ascii_whitespace() {
                return Ok(*byte);
            }
            self.at += 1;
        }
        Err(Over)
    }

    fn value(&mut self, pointer: &mut String) -> Result<(), Over> {
        let first = self.peek()?;
        if pointer == self.wanted {
            self.found = Some(self.at);
            return Err(Over);
        }
        match first {
            b'{' => self.members(pointer, b'}'),
            b'[' => self.members(pointer, b']'),
            b'"' => self.text().map(|_| ()),
            _ => {
                let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']');
                let rest = &self.bytes[self.at..];
                self.at += rest.iter().position(is_end).ok_or(Over)?;
                Ok(())
            }
        }
    }

    /// What is in an object or in an array, which ends with `end`.
    fn members(&mut self, pointer: &mut String, end: u8) -> Result<(), Over> {
        self.at += 1;
        let length = pointer.len();
        let mut index = 0;
        loop {
            match self.peek()? {
                byte if byte == end => {
                    self.at += 1;
                    return Ok(());
                }
                b',' => self.at += 1,
                _ => {
                    pointer.push('/');
                    if end == b'}' {
                        let name = self.text()?;
                        pointer.push_str(&escaped(&name));
                        self.peek()
                            .and_then(|byte| if byte == b':' { Ok(()) } else { Err(Over) })?;
                        self.at += 1;
                    } else {
                        pointer.push_str(&index.to_string());
                        index += 1;
                    }
                    self.value(pointer)?;
                    pointer.truncate(length);
                }
            }
        }
    }

    fn text(&mut self) -> Result<String, Over> {
        if self.peek()? != b'"' {
            return Err(Over);
        }
        let begin = self.at;
        self.at += 1;
        loop {
            match self.bytes.get(self.at).ok_or(Over)? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        let raw = self.bytes.get(begin..self.at).ok_or(Over)?;
        serde_json::from_slice(raw).map_err(|_| Over)
    }
}

/// A name as part of a JSON pointer.
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_on_its_line() {
        let text = "{\n \"a\": [1,\n  {\"b\\\"/\": \"x,]}\",\n   \"c\": null}],\n \"d\": {}\n}";
        for (pointer, line) in [
            ("", 1),
            ("/a", 2),
            ("/a/0", 2),
            ("/a/1", 3),
            ("/a/1/c", 4),
            ("/a/1/b\"~1", 3),
            ("/d", 5),
        ] {
            assert_eq!(line_of(text, pointer), line, "{pointer}");
        }
        assert_eq!(line_of("{\n\"a\": [", "/a/7"), 1, "what is not there");
        assert_eq!(line_of("", ""), 1);
    }
}
