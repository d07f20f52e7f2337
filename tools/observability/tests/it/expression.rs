//! Expressions of `PromQL`, as far as changing one takes.

/// A piece of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A comparison, such as `>`.
    Comparison(&'a str),
    /// A number.
    Number(&'a str),
    /// The name of a metric, a function or a label.
    Name(&'a str),
    /// All else: matchers, windows, texts, blanks, brackets.
    Other(&'a str),
}

const COMPARISONS: [&str; 6] = ["==", "!=", ">=", "<=", ">", "<"];

/// The pieces of an expression; together they are all of it.
pub(crate) fn tokens(expression: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = expression;
    while !rest.is_empty() {
        let (token, length) = first(rest);
        tokens.push(token);
        rest = &rest[length..];
    }
    tokens
}

fn first(rest: &str) -> (Token<'_>, usize) {
    let while_ = |is: fn(char) -> bool| rest.find(|c| !is(c)).unwrap_or(rest.len());
    let c = rest.chars().next().unwrap_or_default();
    let closed = |end: char| rest[1..].find(end).map_or(rest.len(), |at| at + 2);
    if let Some(comparison) = COMPARISONS.iter().find(|it| rest.starts_with(**it)) {
        return (Token::Comparison(&rest[..comparison.len()]), comparison.len());
    }
    let length = match c {
        '{' => matchers(rest),
        '[' => closed(']'),
        '"' => closed('"'),
        '0'..='9' => {
            // With its unit, should it be a duration.
            let length = while_(|c| c.is_ascii_alphanumeric() || c == '.');
            let number = &rest[..length];
            let is_number = number.parse::<f64>().is_ok();
            return (if is_number { Token::Number(number) } else { Token::Other(number) }, length);
        }
        'a'..='z' | 'A'..='Z' | '_' => {
            let length = while_(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
            return (Token::Name(&rest[..length]), length);
        }
        _ => c.len_utf8(),
    };
    (Token::Other(&rest[..length]), length)
}

/// How long matchers are: a brace within a text does not end them.
fn matchers(rest: &str) -> usize {
    let mut in_text = false;
    for (at, c) in rest.char_indices() {
        match c {
            '"' => in_text = !in_text,
            '}' if !in_text => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The expression with the piece at `at` replaced.
pub(crate) fn replaced(tokens: &[Token<'_>], at: usize, by: &str) -> String {
    let piece = |(index, token): (usize, &Token<'_>)| match *token {
        _ if index == at => by.to_owned(),
        Token::Comparison(text) | Token::Number(text) | Token::Name(text) | Token::Other(text) => {
            text.to_owned()
        }
    };
    tokens.iter().enumerate().map(piece).collect()
}

#[test]
fn an_expression_is_taken_apart_and_put_together_again() {
    let expression = "max by (job) (a:b{c!=\"}\", d=~\"1\"}[5m] offset 1w) >= 0.5 and x == 3";
    let tokens = tokens(expression);
    let of = |token: &Token<'_>| matches!(token, Token::Comparison(_) | Token::Number(_));
    let found: Vec<&Token<'_>> = tokens.iter().filter(|it| of(it)).collect();
    assert_eq!(
        found,
        [
            &Token::Comparison(">="),
            &Token::Number("0.5"),
            &Token::Comparison("=="),
            &Token::Number("3")
        ]
    );
    assert_eq!(replaced(&tokens, tokens.len(), ""), expression);
    let at = tokens.iter().position(|it| *it == Token::Comparison(">=")).unwrap();
    assert!(replaced(&tokens, at, "<=").contains("1w) <= 0.5"));
}
