use std::collections::BTreeMap;
use std::process::ExitCode;

use contracts::operations::{Kind, Said, Subject};

use super::decide::{hand_over, report};
use super::request::{Asked, Reason, by_service};
use super::text::calls_table;
use crate::calls::{Filter, chosen};
use crate::connections::Connections;
use crate::databases::Databases;
use crate::print::print;

#[derive(clap::Args)]
pub(crate) struct Settle {
    /// The call, as the list shows it
    #[arg(value_name = "ORDER/STEP")]
    call: Subject,
    /// What has become of it, such as charged
    #[arg(long, value_name = "OUTCOME")]
    outcome: String,
    /// What the provider knows it by: the id of the charge, refund, shipment or message
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Why it was declined, refused or given up, such as card_declined; customers may see it
    #[arg(long, value_name = "WORD")]
    because: Option<String>,
    /// Who carries the parcel
    #[arg(long, value_name = "NAME")]
    carrier: Option<String>,
    /// What the customer follows the parcel by
    #[arg(long, value_name = "NUMBER")]
    tracking_number: Option<String>,
    #[command(flatten)]
    why: Reason,
    #[command(flatten)]
    asked: Asked,
}

impl Settle {
    fn said(&self) -> Said {
        let details = [
            ("id", &self.id),
            ("because", &self.because),
            ("carrier", &self.carrier),
            ("tracking-number", &self.tracking_number),
        ];
        let details = details.into_iter().filter_map(|(name, value)| {
            value.as_ref().map(|value| (name.to_owned(), value.clone()))
        });
        Said { outcome: self.outcome.clone(), details: details.collect::<BTreeMap<_, _>>() }
    }
}

pub(crate) async fn run(
    settle: &Settle,
    connections: &Connections,
    databases: &Databases,
) -> anyhow::Result<ExitCode> {
    let Settle { call, outcome, why, asked, .. } = settle;
    let named = std::slice::from_ref(call);
    let (found, _) = chosen(named, &Filter::default(), databases, 1).await?;
    if found.is_empty() {
        print(&format!("{call} is not open. Next: farandole calls show {call}"))?;
        return Ok(ExitCode::FAILURE);
    }
    if asked.dry_run {
        print(&format!("{}\n\nWould say: {outcome}.", calls_table(&found)))?;
        return Ok(ExitCode::SUCCESS);
    }
    if !asked.confirmed(&format!("Say that {call} is {outcome}?"))? {
        print("Nothing was done.")?;
        return Ok(ExitCode::FAILURE);
    }
    let said = settle.said();
    let details = said.details.iter().map(|(name, value)| format!(" --{name} {value}"));
    let asked_for = format!("{call} --outcome {outcome}{}", details.collect::<String>());
    let began = why.author.begins(Kind::Settle, asked_for, 1, Some(&why.reason));
    let done = hand_over(began, &by_service(&found), Some(&said), connections, databases).await?;
    report(&done, asked.json)
}
