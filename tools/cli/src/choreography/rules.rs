use super::facts::Fact::{
    Cancelled, Charged, Completed, Confirmed, Declined, NotReserved, NotShipped, Placed, Refunded,
    Released, Reserved, Shipped,
};
use super::facts::{Fact, Facts, Service};

/// What must be true of an order of which a service has written down a status: the inbox, the
/// intents and the events belong to the same transactions as the status.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    /// The status, as the query for the service's rows tells it.
    pub(crate) status: &'static str,
    /// Facts that it has read.
    pub(crate) has_read: Facts,
    /// Facts that it has not.
    pub(crate) not_read: Facts,
    /// Facts that it has said.
    pub(crate) has_said: Facts,
    /// Facts that it may have said, beside those.
    pub(crate) may_say: Facts,
    /// The calls that it intends.
    pub(crate) calls: &'static [&'static str],
}

const fn rule(
    status: &'static str,
    has_read: &[Fact],
    not_read: &[Fact],
    has_said: &[Fact],
) -> Rule {
    Rule {
        status,
        has_read: Facts::of(has_read),
        not_read: Facts::of(not_read),
        has_said: Facts::of(has_said),
        may_say: Facts::NONE,
        calls: &[],
    }
}

const fn calling(rule: Rule, calls: &'static [&'static str]) -> Rule {
    Rule { calls, ..rule }
}

/// A cancelled order has the status of its reason.
const ORDER: &[Rule] = &[
    rule("placed", &[], &[NotReserved, Charged, Declined, Shipped, NotShipped], &[Placed]),
    rule("shipped_ahead", &[Shipped], &[NotReserved, Charged, Declined], &[Placed]),
    rule("confirmed", &[Charged], &[Shipped, NotShipped], &[Placed, Confirmed]),
    rule("completed", &[Charged, Shipped], &[], &[Placed, Confirmed, Completed]),
    rule("out_of_stock", &[NotReserved], &[], &[Placed, Cancelled]),
    rule("payment_failed", &[Declined], &[], &[Placed, Cancelled]),
    Rule {
        may_say: Facts::of(&[Confirmed]),
        ..rule("shipment_failed", &[NotShipped], &[], &[Placed, Cancelled])
    },
    rule("timed_out", &[], &[], &[Placed, Cancelled]),
    rule("customer_request", &[], &[], &[Placed, Cancelled]),
    // What else was said of it was not said by this order service, or before it lost its memory.
    Rule {
        may_say: Facts::of(&[Placed, Confirmed, Completed]),
        ..rule("never_placed", &[], &[], &[Cancelled])
    },
];

const INVENTORY: &[Rule] = &[
    rule("shipped_ahead", &[Shipped], &[Placed], &[]),
    rule("reserved", &[Placed], &[Shipped, Cancelled], &[Reserved]),
    rule("rejected", &[Placed], &[], &[NotReserved]),
    rule("void", &[Cancelled], &[], &[]),
    rule("released", &[Placed, Cancelled], &[], &[Reserved, Released]),
    rule("shipped", &[Placed, Shipped], &[], &[Reserved]),
];

const PAYMENT: &[Rule] = &[
    rule("awaiting_stock", &[Placed], &[Reserved, Cancelled], &[]),
    rule("awaiting_order", &[Reserved], &[Placed, Cancelled], &[]),
    calling(rule("charging", &[Placed, Reserved], &[Cancelled], &[]), &["charge"]),
    calling(rule("charging_cancelled", &[Placed, Reserved, Cancelled], &[], &[]), &["charge"]),
    rule("charged", &[Placed, Reserved], &[Cancelled], &[Charged]),
    calling(rule("refunding", &[Placed, Reserved, Cancelled], &[], &[Charged]), &["refund"]),
    rule("refunded", &[Placed, Reserved, Cancelled], &[], &[Charged, Refunded]),
    rule("failed", &[Placed, Reserved], &[], &[Declined]),
    rule("void", &[Cancelled], &[], &[]),
];

const SHIPPING: &[Rule] = &[
    rule("awaiting_confirmation", &[Placed], &[Confirmed, Cancelled], &[]),
    rule("awaiting_order", &[Confirmed], &[Placed, Cancelled], &[]),
    calling(rule("booking", &[Placed, Confirmed], &[], &[]), &["book"]),
    rule("created", &[Placed, Confirmed], &[], &[Shipped]),
    rule("failed", &[Placed, Confirmed], &[], &[NotShipped]),
    rule("void", &[Cancelled], &[], &[]),
];

/// The statuses of one message, and of whom it goes to: a row of the notification service has the
/// address and, per outcome, a message; together they are a number with these digits.
const MESSAGES: [&str; 6] = ["-", "waiting", "sending", "sent", "failed", "overtaken"];
const ADDRESSES: [&str; 3] = ["unseen", "known", "forgotten"];
const MAILS: [&str; 3] = ["mail-confirmed", "mail-completed", "mail-cancelled"];
/// The outcomes, as the facts that the notification service reads.
const TELLS: [Fact; 3] = [Confirmed, Completed, Cancelled];

/// The number of a status in a service's rules; `None` if it is none of them.
pub(crate) fn number(service: Service, status: &str) -> Option<u16> {
    if let Some(rules) = table(service) {
        let at = rules.iter().position(|rule| rule.status == status)?;
        return u16::try_from(at).ok();
    }
    let mut parts = status.split(' ');
    let address = parts.next()?;
    let address = ADDRESSES.iter().position(|known| *known == address)?;
    let messages = parts.map(|part| MESSAGES.iter().position(|known| *known == part));
    let number =
        messages.rev().try_fold(0, |number, digit| Some(number * MESSAGES.len() + digit?))?;
    u16::try_from(number * 3 + address).ok()
}

/// The status with this number.
pub(crate) fn status(service: Service, number: u16) -> String {
    if let Some(rules) = table(service) {
        return rules[usize::from(number)].status.to_owned();
    }
    let (address, messages) = digits(number);
    let [confirmed, completed, cancelled] = messages.map(|at| MESSAGES[at]);
    format!("address {}: {confirmed}, {completed}, {cancelled}", ADDRESSES[address])
}

/// What must be true of an order with the status with this number.
pub(crate) fn of(service: Service, number: u16) -> Rule {
    table(service).map_or_else(|| of_messages(number), |rules| rules[usize::from(number)])
}

/// The steps of the calls that the status with this number intends.
pub(crate) fn calls(service: Service, number: u16) -> impl Iterator<Item = &'static str> {
    let mails = match service {
        Service::Notification => digits(number).1.map(|message| MESSAGES[message] == "sending"),
        _ => [false; 3],
    };
    let mails = MAILS.into_iter().zip(mails).filter(|(_, sending)| *sending);
    of(service, number).calls.iter().copied().chain(mails.map(|(step, _)| step))
}

fn table(service: Service) -> Option<&'static [Rule]> {
    match service {
        Service::Order => Some(ORDER),
        Service::Inventory => Some(INVENTORY),
        Service::Payment => Some(PAYMENT),
        Service::Shipping => Some(SHIPPING),
        Service::Notification => None,
    }
}

fn digits(number: u16) -> (usize, [usize; 3]) {
    let number = usize::from(number);
    let (messages, many) = (number / 3, MESSAGES.len());
    (number % 3, [1, many, many * many].map(|of| messages / of % many))
}

fn of_messages(number: u16) -> Rule {
    let (address, messages) = digits(number);
    let mut rule = rule("", &[], &[], &[]);
    match ADDRESSES[address] {
        "unseen" => rule.not_read.add(Placed),
        _ => rule.has_read.add(Placed),
    }
    for (outcome, message) in messages.into_iter().enumerate() {
        match MESSAGES[message] {
            // After the last word nothing more is told.
            "-" if ADDRESSES[address] == "forgotten" => {}
            "-" => rule.not_read.add(TELLS[outcome]),
            status => {
                rule.has_read.add(TELLS[outcome]);
                match status {
                    "sent" => rule.has_said.add(Fact::TOLD[outcome]),
                    "failed" => rule.has_said.add(Fact::NOT_TOLD[outcome]),
                    _ => {}
                }
                // It may have been given up before it was sent after all.
                if status != "waiting" {
                    rule.may_say.add(Fact::NOT_TOLD[outcome]);
                }
            }
        }
    }
    rule
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_found_again() {
        for service in [Service::Order, Service::Inventory, Service::Payment, Service::Shipping] {
            for rule in table(service).unwrap() {
                let number = number(service, rule.status).unwrap();
                assert_eq!(status(service, number), rule.status);
            }
        }
        let sent = number(Service::Notification, "forgotten sent failed -").unwrap();
        assert_eq!(status(Service::Notification, sent), "address forgotten: sent, failed, -");
        let rule = of(Service::Notification, sent);
        assert_eq!(rule.has_read, Facts::of(&[Placed, Confirmed, Completed]));
        assert_eq!(rule.has_said, Facts::of(&[Fact::ToldConfirmed, Fact::NotToldCompleted]));
        assert_eq!(rule.not_read, Facts::NONE);
        let sending = number(Service::Notification, "known sending - -").unwrap();
        assert!(calls(Service::Notification, sending).eq(["mail-confirmed"]));
        assert_eq!(number(Service::Payment, "melted"), None);
    }
}
