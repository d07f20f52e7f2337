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
