use crate::names::EventRef;
use crate::rust::{at_end_of_macro, before_reads, in_list, input_match, insert, parse};
use crate::service::{add_schema, event_type};
use crate::{Changes, ScaffoldError, Tree};

/// A further event that a service emits.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The event, by the service.
    pub event: EventRef,
    /// The type of the event that it answers, which the service reads and has absorbed so far.
    pub on: String,
}

/// Has a service emit a further event whenever it reads another one.
pub fn new_event(tree: &Tree, new: &NewEvent) -> Result<Changes, ScaffoldError> {
    let NewEvent { event, on } = new;
    let (service, name) = (&event.service, &event.event);
    let refuse = |why: String| Err(ScaffoldError::Refused(why));
    if !tree.has_service(service) {
        return refuse(format!("there is no service {service}"));
    }
    if !tree.root.join(format!("services/{service}/reads/{on}.avsc")).exists() {
        return refuse(format!(
            "{service} does not read {on}: farandole new reaction {service} FROM/{on} has it do so"
        ));
    }
    let mut changes = Changes::default();
    add_schema(&mut changes, tree, event)?;
    let path = |file: &str| format!("services/{service}/{file}");
    changes.edit(tree, &path("src/events.rs"), |text| {
        let file = parse(text)?;
        let variant = (at_end_of_macro(&file, "events")?, format!(", {name} "));
        let type_of = format!("{}\n", event_type(name).trim_start());
        let kind = (before_reads(&file, text), type_of);
        Ok(insert(text, vec![variant, kind]).replace(" , ", ", "))
    })?;
    changes.edit(tree, &path("src/domain.rs"), |text| emitting(text, name, on))?;
    changes.edit(tree, &path("src/lib.rs"), |text| {
        let at = in_list(&parse(text)?, "emits")?;
        let text = insert(text, vec![(at, format!("emits!({service:?}, {name}, 1).ends(), "))]);
        leading(&text, name, on)
    })?;
    Ok(changes)
}

/// The machine, with the event emitted where the other is read.
fn emitting(text: &str, name: &str, on: &str) -> Result<String, String> {
    let made = format!("Decision::to(self.clone()).emit({name} {{ order_id }})");
    let file = parse(text)?;
    let found = input_match(&file, text, on)?;
    let text = if found.has {
        let absorbed = format!("Input::{on}(_) => return Decision::to(self.clone()),");
        let pair = format!("Input::{on}(_)) => Decision::to(self.clone()),");
        let at = [absorbed, pair].into_iter().find(|absorbed| text.contains(absorbed));
        let absorbed = at.ok_or_else(|| {
            format!(
                "{on} leads to something already: emit {name} there, by .emit({name} {{ order_id }}), and add \
                 it to the leads_to(…) of {on} in lib.rs"
            )
        })?;
        let said = absorbed.replace("Decision::to(self.clone())", &made);
        text.replacen("// Absorbed.\n", "", 1).replacen(&absorbed, &said, 1)
    } else {
        let at = found.rest.unwrap_or(found.end);
        let pattern =
            if found.is_pair { format!("(_, Input::{on}(_))") } else { format!("Input::{on}(_)") };
        let leave = if found.is_last { "" } else { "return " };
        insert(text, vec![(at, format!("{pattern} => {leave}{made},\n            "))])
    };
    let used = text.find("use crate::events::{").ok_or("there is no `use crate::events::{…}`")?;
    let at = used + "use crate::events::{".len();
    Ok(insert(&text, vec![(at, format!("{name}, "))]))
}

/// The declaration, with the event among those to which the other leads.
fn leading(text: &str, name: &str, on: &str) -> Result<String, String> {
    let read = format!(", {on})");
    let at =
        text.find(&read).ok_or_else(|| format!("there is no consumes!(…, {on})"))? + read.len();
    let said = format!("leads_to(&[{name:?}");
    Ok(match text[at..].trim_start().strip_prefix(".leads_to(&[") {
        Some(_) => {
            let list = text[at..].find("leads_to(&[").unwrap_or_default() + at;
            let end = list + "leads_to(&[".len();
            insert(text, vec![(end, format!("{name:?}, "))])
        }
        None => insert(text, vec![(at, format!(".{said}]).within_s(60)"))]),
    })
}
