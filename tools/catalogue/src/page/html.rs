//! Pieces of HTML.

/// A text, as HTML has it in text and in attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// What a machine reads. A long name may break after a dot or a bracket, and before a capital letter.
pub(super) fn code(text: &str) -> String {
    format!("<code>{}</code>", breakable(text))
}

/// A name that may break where its words do.
pub(super) fn breakable(text: &str) -> String {
    let mut broken = String::new();
    let mut was_small = false;
    for c in text.chars() {
        if was_small && c.is_uppercase() {
            broken.push_str("<wbr>");
        }
        broken.push_str(&escape(&c.to_string()));
        if matches!(c, '.' | '_' | ']' | '/' | '-') {
            broken.push_str("<wbr>");
        }
        was_small = c.is_lowercase();
    }
    broken
}

/// A link within the page.
pub(super) fn link(to: &str, text: &str) -> String {
    format!("<a href=\"#{}\">{}</a>", escape(to), breakable(text))
}

/// A table with a head, that says what it is. On a small screen its rows become paragraphs, by its class.
pub(super) fn table(class: &str, about: &str, heads: &[&str], rows: &[String]) -> String {
    let heads: Vec<String> = heads.iter().map(|it| format!("<th scope=col>{it}")).collect();
    let (about, heads, rows) = (escape(about), heads.concat(), rows.concat());
    format!(
        "<table class={class}><caption>{about}</caption><thead><tr>{heads}</thead>\
         <tbody>{rows}</tbody></table>\n"
    )
}

/// JSON as it is in a script element: nothing in it ends the element.
pub(super) fn data(id: &str, value: &serde_json::Value) -> String {
    let text = value.to_string().replace('<', "\\u003c");
    format!("<script type=\"application/json\" id=\"{id}\">{text}</script>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_taken_for_html() {
        assert_eq!(escape("<a href='x'>\"&\""), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;&quot;");
        assert_eq!(code("a.b<"), "<code>a.<wbr>b&lt;</code>");
        assert_eq!(breakable("OrderPlaced"), "Order<wbr>Placed");
        let script = data("d", &serde_json::json!("</script>"));
        assert_eq!(script.matches("</script>").count(), 1);
    }
}
