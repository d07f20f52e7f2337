use notification::events::Outcome;

#[test]
fn the_outcomes_have_the_names_the_schema_documents() {
    let outcomes = [Outcome::Confirmed, Outcome::Completed, Outcome::Cancelled];
    let names = ["confirmed", "completed", "cancelled"];
    assert_eq!(serde_json::to_value(outcomes).unwrap(), serde_json::json!(names));
}
