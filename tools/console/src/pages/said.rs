//! A page that only says something: what was not found, or could not be looked at.

use askama::Template;

use super::Frame;

#[derive(Template)]
#[template(path = "said.html")]
pub(crate) struct SaidPage {
    pub(crate) frame: Frame,
    pub(crate) title: String,
    pub(crate) sentence: String,
    pub(crate) reasons: Vec<String>,
    pub(crate) links: Vec<(String, String)>,
}
