use std::ffi::OsStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Command};

/// Parses a setting that must not be shown, such as one with a password in it; what the function says
/// of a bad value is shown. The flag's `hide_env_values` belongs to it.
#[derive(Clone)]
pub struct Secret<T>(
    /// Reads the value.
    pub fn(&str) -> Result<T, String>,
);

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Secret<T> {
    type Value = T;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        let parsed = value.to_str().ok_or_else(|| "…: it is not UTF-8".to_owned()).and_then(self.0);
        parsed.map_err(|reason| {
            let name = arg.map(ToString::to_string).unwrap_or_default();
            let env = arg.and_then(|arg| arg.get_env()).unwrap_or_default().display();
            let message = format!("invalid value for '{name}' ({env}): {reason}\n");
            clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
        })
    }
}
