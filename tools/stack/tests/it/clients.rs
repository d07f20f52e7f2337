//! The least that a client can say to each part.

use std::error::Error;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, raw_sql};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Outcome;

pub(crate) const TOPIC_EXISTS: i16 = 36;

/// Kafka's error code for a `CreateTopics` request, version 2.
pub(crate) async fn create_topic(broker: &str) -> Result<i16, Box<dyn Error>> {
    let mut request = vec![0, 19, 0, 2, 0, 0, 0, 1, 0xff, 0xff]; // no client id
    request.extend([0, 0, 0, 1, 0, 6]); // one topic, six letters
    request.extend(b"things");
    request.extend([0, 0, 0, 3, 0, 1]); // partitions and replicas
    request.extend([0; 8]); // no assignments, no settings
    request.extend([0, 0, 0x75, 0x30, 0]); // within 30 s, and for real
    let mut stream = TcpStream::connect(broker).await?;
    stream.write_i32(i32::try_from(request.len())?).await?;
    stream.write_all(&request).await?;
    let mut answer = vec![0; usize::try_from(stream.read_i32().await?)?];
    stream.read_exact(&mut answer).await?;
    // After the correlation id, the throttle time, the count and the name.
    let code = 4 + 4 + 4 + 2 + "things".len();
    Ok(i16::from_be_bytes([answer[code], answer[code + 1]]))
}

/// The registry's answer, `{"id":…}`: the same for the same schema.
pub(crate) async fn register_schema(registry: &str) -> Result<String, Box<dyn Error>> {
    let answer = reqwest::Client::new()
        .post(format!("{registry}/subjects/things/versions"))
        .header("content-type", "application/json")
        .body(r#"{"schema":"{\"type\":\"record\",\"name\":\"Thing\",\"fields\":[]}"}"#)
        .send()
        .await?;
    Ok(answer.error_for_status()?.text().await?)
}

pub(crate) async fn execute(url: &str, statement: &str) -> Outcome {
    let mut connection = PgConnection::connect(url).await?;
    raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
    Ok(())
}
