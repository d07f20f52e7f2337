use kernel::Decision;
use notification::domain::Address::{self, Forgotten, Unseen};
use notification::domain::Message::{self, Sending, Waiting};
use notification::domain::{Effect, State};
use notification::events::Outcome::{self, Cancelled, Completed, Confirmed};
use testkit::machine::assert_machine;

use crate::{
    CANCELLED, COMPLETED, CONFIRMED, decide_messages, given_up, placed, recipient, sent,
    told_failed, told_sent,
};

fn known() -> Address {
    Address::Known(recipient())
}

fn is_sent() -> Message {
    Message::Sent { message_id: "1@farandole".into() }
}

fn has_failed() -> Message {
    Message::Failed { reason: "address_rejected".into() }
}

fn state<const N: usize>(address: Address, messages: [(Outcome, Message); N]) -> State {
    State { address, messages: messages.into() }
}

fn mail(outcome: Outcome) -> Effect {
    Effect::Mail { outcome, recipient: recipient() }
}

#[test]
fn what_is_not_in_this_table_is_absorbed() {
    // The two terminal outcomes are treated alike: a state with one stands for both.
    let unseen = state(Unseen, []);
    let waiting = state(Unseen, [(Confirmed, Waiting)]);
    let both_waiting = state(Unseen, [(Confirmed, Waiting), (Completed, Waiting)]);
    let quiet = state(known(), []);
    let confirming = state(known(), [(Confirmed, Sending)]);
    let told = state(known(), [(Confirmed, is_sent())]);
    let untold = state(known(), [(Confirmed, has_failed())]);
    let completing = state(known(), [(Confirmed, is_sent()), (Completed, Sending)]);
    let both_sending = state(known(), [(Confirmed, Sending), (Completed, Sending)]);
    let one_left = state(known(), [(Confirmed, Sending), (Completed, is_sent())]);
    let cancelling = state(known(), [(Cancelled, Sending)]);
    let done = state(Forgotten, [(Confirmed, is_sent()), (Completed, is_sent())]);
    let in_vain = state(Forgotten, [(Cancelled, has_failed())]);
    let states = [
        &unseen,
        &waiting,
        &both_waiting,
        &quiet,
        &confirming,
        &told,
        &untold,
        &completing,
        &both_sending,
        &one_left,
        &cancelling,
        &done,
        &in_vain,
    ]
    .map(Clone::clone);
    let inputs = [
        placed(),
        CONFIRMED,
        COMPLETED,
        CANCELLED,
        sent(Confirmed),
        sent(Completed),
        sent(Cancelled),
        given_up(Confirmed),
        given_up(Completed),
        given_up(Cancelled),
    ];
    let be = |state: &State| Decision::silent(state.clone());
    let to = |address, messages: &[(Outcome, Message)]| {
        be(&State { address, messages: messages.iter().cloned().collect() })
    };
    let (yes, no) = (is_sent, has_failed);
    #[rustfmt::skip]
    let transitions = [
        // given,        when,                then
        (&unseen,        placed(),            be(&quiet)),
        (&unseen,        CONFIRMED,           be(&waiting)),
        (&unseen,        COMPLETED,           to(Unseen, &[(Completed, Waiting)])),
        (&unseen,        CANCELLED,           to(Unseen, &[(Cancelled, Waiting)])),

        (&waiting,       placed(),            be(&confirming).perform(mail(Confirmed))),
        (&waiting,       COMPLETED,           be(&both_waiting)),
        (&waiting,       CANCELLED,           to(Unseen, &[(Confirmed, Waiting), (Cancelled, Waiting)])),

        (&both_waiting,  placed(),            be(&both_sending).perform(mail(Confirmed)).perform(mail(Completed))),
        (&both_waiting,  CANCELLED,           to(Unseen, &[(Confirmed, Waiting), (Completed, Waiting), (Cancelled, Waiting)])),

        (&quiet,         CONFIRMED,           be(&confirming).perform(mail(Confirmed))),
        (&quiet,         COMPLETED,           to(known(), &[(Completed, Sending)]).perform(mail(Completed))),
        (&quiet,         CANCELLED,           be(&cancelling).perform(mail(Cancelled))),

        (&confirming,    sent(Confirmed),     be(&told).emit(told_sent(Confirmed))),
        (&confirming,    given_up(Confirmed), be(&untold).emit(told_failed(Confirmed))),
        (&confirming,    COMPLETED,           be(&both_sending).perform(mail(Completed))),
        (&confirming,    CANCELLED,           to(known(), &[(Confirmed, Sending), (Cancelled, Sending)]).perform(mail(Cancelled))),

        (&told,          COMPLETED,           be(&completing).perform(mail(Completed))),
        (&told,          CANCELLED,           to(known(), &[(Confirmed, yes()), (Cancelled, Sending)]).perform(mail(Cancelled))),

        (&untold,        COMPLETED,           to(known(), &[(Confirmed, no()), (Completed, Sending)]).perform(mail(Completed))),
        (&untold,        CANCELLED,           to(known(), &[(Confirmed, no()), (Cancelled, Sending)]).perform(mail(Cancelled))),

        (&completing,    sent(Completed),     be(&done).emit(told_sent(Completed))),
        (&completing,    given_up(Completed), to(Forgotten, &[(Confirmed, yes()), (Completed, no())]).emit(told_failed(Completed))),
        (&completing,    CANCELLED,           to(known(), &[(Confirmed, yes()), (Completed, Sending), (Cancelled, Sending)]).perform(mail(Cancelled))),

        (&both_sending,  sent(Confirmed),     be(&completing).emit(told_sent(Confirmed))),
        (&both_sending,  sent(Completed),     be(&one_left).emit(told_sent(Completed))),
        (&both_sending,  given_up(Confirmed), to(known(), &[(Confirmed, no()), (Completed, Sending)]).emit(told_failed(Confirmed))),
        (&both_sending,  given_up(Completed), to(known(), &[(Confirmed, Sending), (Completed, no())]).emit(told_failed(Completed))),
        (&both_sending,  CANCELLED,           to(known(), &[(Confirmed, Sending), (Completed, Sending), (Cancelled, Sending)]).perform(mail(Cancelled))),

        (&one_left,      sent(Confirmed),     be(&done).emit(told_sent(Confirmed))),
        (&one_left,      given_up(Confirmed), to(Forgotten, &[(Confirmed, no()), (Completed, yes())]).emit(told_failed(Confirmed))),
        (&one_left,      CANCELLED,           to(known(), &[(Confirmed, Sending), (Completed, yes()), (Cancelled, Sending)]).perform(mail(Cancelled))),

        (&cancelling,    sent(Cancelled),     to(Forgotten, &[(Cancelled, yes())]).emit(told_sent(Cancelled))),
        (&cancelling,    given_up(Cancelled), be(&in_vain).emit(told_failed(Cancelled))),
        (&cancelling,    CONFIRMED,           to(known(), &[(Confirmed, Sending), (Cancelled, Sending)]).perform(mail(Confirmed))),
        (&cancelling,    COMPLETED,           to(known(), &[(Completed, Sending), (Cancelled, Sending)]).perform(mail(Completed))),
    ]
    .map(|(given, when, then)| (given.clone(), when, then));
    assert_machine(&states, &inputs, &transitions, decide_messages);
}

#[test]
fn each_call_is_a_step_of_its_own() {
    let steps = [Confirmed, Completed, Cancelled].map(|outcome| mail(outcome).step());
    assert_eq!(steps, ["mail-confirmed", "mail-completed", "mail-cancelled"]);
}

#[test]
fn what_is_stored_is_read_back() {
    for state in [
        state(Unseen, [(Confirmed, Waiting)]),
        state(known(), [(Confirmed, is_sent()), (Completed, Sending)]),
        state(Forgotten, [(Cancelled, has_failed())]),
    ] {
        let stored = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&stored).unwrap(), state);
    }
    let stored = serde_json::to_string(&mail(Completed)).unwrap();
    assert_eq!(serde_json::from_str::<Effect>(&stored).unwrap(), mail(Completed));
}

#[test]
fn personal_data_does_not_show_in_logs() {
    let shown = format!("{:?} {:?} {:?}", placed(), state(known(), []), mail(Confirmed));
    assert_eq!(shown.matches("Recipient { .. }").count(), 3, "{shown}");
    assert!(!shown.contains("Ada") && !shown.contains("ada@"), "{shown}");
}
