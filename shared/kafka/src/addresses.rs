use reqwest::Url;

/// Kafka's brokers as a setting names them, `host:port` or several of these separated by commas.
/// An error says what is expected.
pub fn parse_brokers(text: &str) -> Result<String, String> {
    let fits = |broker: &str| {
        broker
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    if text.split(',').all(fits) {
        Ok(text.to_owned())
    } else {
        Err("expected host:port, several separated by commas".to_owned())
    }
}

/// The registry's base URL as a setting names it. An error says what is expected.
pub fn parse_registry_url(text: &str) -> Result<String, String> {
    match Url::parse(text) {
        Ok(url) if url.scheme() == "http" && url.has_host() => Ok(text.to_owned()),
        Ok(_) => Err("expected http://host:port/path".to_owned()),
        Err(error) => Err(format!("{error}; expected http://host:port/path")),
    }
}
