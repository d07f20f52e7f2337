use crate::names::{EventRef, constant};
use crate::rust::{at_end_of_module, in_enum, in_list, input_match, insert, parse};
use crate::service::{add_reader_schema, input, input_constant, read_type};
use crate::{Changes, ScaffoldError, Tree};

/// A further event that a service reads.
#[derive(Debug, Clone)]
pub struct NewReaction {
    /// The service.
    pub service: String,
    /// What it is to read.
    pub reads: EventRef,
}

/// Has a service read a further event, which it absorbs for the time being.
pub fn new_reaction(tree: &Tree, new: &NewReaction) -> Result<Changes, ScaffoldError> {
    let NewReaction { service, reads } = new;
    tree.check(reads)?;
    if !tree.has_service(service) {
        return Err(ScaffoldError::Refused(format!("there is no service {service}")));
    }
    let (event, from) = (&reads.event, &reads.service);
    let mut changes = Changes::default();
    add_reader_schema(&mut changes, tree, service, reads)?;
    let path = |file: &str| format!("services/{service}/{file}");
    changes.edit(tree, &path("src/events.rs"), |text| {
        let at = at_end_of_module(&parse(text)?, "reads")?;
        Ok(insert(text, vec![(at, read_type(event))]))
    })?;
    changes.edit(tree, &path("src/domain.rs"), |text| {
        let file = parse(text)?;
        let variant = (in_enum(&file, "Input")?, format!("\n{}", input(event)));
        let found = input_match(&file, text, event)?;
        // Where all other inputs are absorbed, this one is.
        if found.rest.is_some() {
            return Ok(insert(text, vec![variant]));
        }
        let pattern = if found.is_pair {
            format!("(_, Input::{event}(_))")
        } else {
            format!("Input::{event}(_)")
        };
        let leave = if found.is_last { "" } else { "return " };
        let arm = format!("// Absorbed.\n{pattern} => {leave}Decision::to(self.clone()),\n");
        Ok(insert(text, vec![variant, (found.end, arm)]))
    })?;
    changes.edit(tree, &path("src/lib.rs"), |text| {
        let at = in_list(&parse(text)?, "consumes")?;
        Ok(insert(text, vec![(at, format!("consumes!({from:?}, {event}), "))]))
    })?;
    let name = constant(event);
    changes.edit(tree, &path("tests/it/main.rs"), |text| {
        let at = text.find("\nconst ").ok_or("there is no constant to put another beside")?;
        Ok(insert(text, vec![(at + 1, input_constant(event))]))
    })?;
    changes.edit(tree, &path("tests/it/declaration.rs"), |text| {
        let at = text.find(".check(").ok_or("there is no .check(…)")?;
        let sample = format!(".reads::<reads::{event}>({event:?}, crate::{name})\n        ");
        Ok(insert(text, vec![(at, sample)]))
    })?;
    Ok(changes)
}
