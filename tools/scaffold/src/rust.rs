//! Places in Rust source, found by its syntax, at which text is put in.

use proc_macro2::Span;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::visit::Visit;
use syn::{
    Expr, ExprMacro, ExprMatch, ExprStruct, Field, File, ImplItem, Item, ItemEnum, ItemMod, Macro,
    Pat, Stmt, Token,
};

/// Text to be put in at a place.
pub(crate) type Insertion = (usize, String);

/// The source with all of these put in.
pub(crate) fn insert(text: &str, mut insertions: Vec<Insertion>) -> String {
    insertions.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let mut text = text.to_owned();
    for (at, what) in insertions {
        text.insert_str(at, &what);
    }
    text
}

pub(crate) fn parse(text: &str) -> Result<File, String> {
    syn::parse_file(text).map_err(|error| format!("it is no Rust that can be read: {error}"))
}

fn after(span: Span) -> usize {
    span.byte_range().end
}

fn before(span: Span) -> usize {
    span.byte_range().start
}

/// After the opening brace of an enum.
pub(crate) fn in_enum(file: &File, name: &str) -> Result<usize, String> {
    let is_it = |item: &&ItemEnum| item.ident == name;
    let items = file.items.iter().filter_map(|item| match item {
        Item::Enum(item) => Some(item),
        _ => None,
    });
    let found = items.into_iter().find(is_it).ok_or_else(|| format!("there is no enum {name}"))?;
    Ok(after(found.brace_token.span.open()))
}

/// Before the closing brace of a module.
pub(crate) fn at_end_of_module(file: &File, name: &str) -> Result<usize, String> {
    let found = file.items.iter().find_map(|item| match item {
        Item::Mod(ItemMod { ident, content: Some((brace, _)), .. }) if ident == name => {
            Some(before(brace.span.close()))
        }
        _ => None,
    });
    found.ok_or_else(|| format!("there is no module {name}"))
}

/// After the opening brace of a struct.
pub(crate) fn in_struct(file: &File, name: &str) -> Result<usize, String> {
    let found = file.items.iter().find_map(|item| match item {
        Item::Struct(item) if item.ident == name => match &item.fields {
            syn::Fields::Named(fields) => Some(fields),
            _ => None,
        },
        _ => None,
    });
    let fields = found.ok_or_else(|| format!("there is no struct {name} with fields"))?;
    // After those that are there, as in its schema.
    let last: Option<&Field> = fields.named.last();
    let end =
        last.map_or_else(|| after(fields.brace_token.span.open()), |field| after(field.span()));
    Ok(end)
}

/// Before the module `reads`, where an event's type goes; at the end, if there is none.
pub(crate) fn before_reads(file: &File, text: &str) -> usize {
    let module = file.items.iter().find_map(|item| match item {
        Item::Mod(item) if item.ident == "reads" => Some(before(item.span())),
        _ => None,
    });
    module.unwrap_or(text.len())
}

/// The list in a macro that is called for a field, such as `consumes: vec![…]`: after its bracket.
pub(crate) fn in_list(file: &File, field: &str) -> Result<usize, String> {
    struct Lists<'f>(&'f str, Option<usize>);
    impl<'a> Visit<'a> for Lists<'_> {
        fn visit_expr_struct(&mut self, node: &'a ExprStruct) {
            for value in &node.fields {
                let is_it = matches!(&value.member, syn::Member::Named(name) if name == self.0);
                if let (true, Expr::Macro(ExprMacro { mac, .. })) = (is_it, &value.expr) {
                    self.1 = Some(after(mac.delimiter.span().open()));
                }
            }
            syn::visit::visit_expr_struct(self, node);
        }
    }
    let mut lists = Lists(field, None);
    lists.visit_file(file);
    lists.1.ok_or_else(|| format!("there is no list `{field}: vec![…]`"))
}

/// The call of a macro that contains this text, such as `events! { … }`: before what closes it.
pub(crate) fn at_end_of_macro(file: &File, name: &str) -> Result<usize, String> {
    let found = file.items.iter().find_map(|item| match item {
        Item::Macro(item) if item.mac.path.segments.last().is_some_and(|it| it.ident == name) => {
            item.mac.tokens.clone().into_iter().last()
        }
        _ => None,
    });
    match found {
        Some(proc_macro2::TokenTree::Group(group)) => Ok(before(group.span_close())),
        _ => Err(format!("there is no {name}! {{ … {{ … }} }}")),
    }
}

/// Where values of a struct are made: after their opening braces.
pub(crate) fn makers(file: &File, name: &str) -> Vec<usize> {
    struct Makers<'n>(&'n str, Vec<usize>);
    impl<'a> Visit<'a> for Makers<'_> {
        fn visit_expr_struct(&mut self, node: &'a ExprStruct) {
            if node.path.segments.last().is_some_and(|segment| segment.ident == self.0) {
                self.1.push(after(node.brace_token.span.open()));
            }
            syn::visit::visit_expr_struct(self, node);
        }

        /// Such as the arguments of `assert_eq!`.
        fn visit_macro(&mut self, node: &'a Macro) {
            let parser = Punctuated::<Expr, Token![,]>::parse_terminated;
            if let Ok(arguments) = node.parse_body_with(parser) {
                let mut inner = Makers(self.0, Vec::new());
                arguments.iter().for_each(|argument| inner.visit_expr(argument));
                self.1.append(&mut inner.1);
            }
        }
    }
    let mut makers = Makers(name, Vec::new());
    makers.visit_file(file);
    makers.1
}

/// The `match` on the input in the machine's `decide`.
pub(crate) struct InputMatch {
    /// Whether it has an arm for this input.
    pub(crate) has: bool,
    /// Whether it takes all other inputs: where its last arm begins.
    pub(crate) rest: Option<usize>,
    /// Before its closing brace.
    pub(crate) end: usize,
    /// Whether it matches the state and the input together.
    pub(crate) is_pair: bool,
    /// Whether what it gives is what `decide` gives.
    pub(crate) is_last: bool,
}

/// All `match` expressions.
struct Matches<'a>(Vec<&'a ExprMatch>);

impl<'a> Visit<'a> for Matches<'a> {
    fn visit_expr_match(&mut self, node: &'a ExprMatch) {
        self.0.push(node);
        syn::visit::visit_expr_match(self, node);
    }
}

/// The `match` on `Input` in `decide` of a state machine.
pub(crate) fn input_match(file: &File, text: &str, event: &str) -> Result<InputMatch, String> {
    let functions = file.items.iter().filter_map(|item| match item {
        Item::Impl(item) => Some(item),
        _ => None,
    });
    let decide = functions.flat_map(|item| &item.items).find_map(|item| match item {
        ImplItem::Fn(function) if function.sig.ident == "decide" => Some(function),
        _ => None,
    });
    let decide = decide.ok_or("there is no fn decide of a state machine")?;
    let mut matches = Matches(Vec::new());
    matches.visit_block(&decide.block);
    let source = |span: Span| text.get(span.byte_range()).unwrap_or_default();
    let is_about =
        |node: &&&ExprMatch| node.arms.iter().any(|arm| source(arm.pat.span()).contains("Input::"));
    let node = matches.0.iter().find(is_about).ok_or("decide matches no Input")?;
    let takes_all = |pattern: &Pat| match pattern {
        Pat::Wild(_) | Pat::Ident(_) => true,
        Pat::Tuple(pair) => {
            pair.elems.iter().all(|part| matches!(part, Pat::Wild(_) | Pat::Ident(_)))
        }
        _ => false,
    };
    let last = node.arms.last().filter(|arm| takes_all(&arm.pat) && arm.guard.is_none());
    let is_last = matches!(decide.block.stmts.last(), Some(Stmt::Expr(Expr::Match(tail), None))
        if tail.span().byte_range() == node.span().byte_range());
    let wanted = format!("Input::{event}");
    let names_it = |arm: &syn::Arm| {
        let pattern = source(arm.pat.span());
        pattern.match_indices(&wanted).any(|(at, _)| {
            !pattern[at + wanted.len()..].starts_with(|c: char| c.is_ascii_alphanumeric())
        })
    };
    Ok(InputMatch {
        has: node.arms.iter().any(names_it),
        rest: last.map(|arm| before(arm.span())),
        end: before(node.brace_token.span.close()),
        is_pair: matches!(*node.expr, Expr::Tuple(_)),
        is_last,
    })
}
