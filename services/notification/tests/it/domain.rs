use kernel::Decision;
use notification::domain::Address::{self, Forgotten, Unseen};
use notification::domain::Message::{self, Overtaken, Sending, Waiting};
use notification::domain::{Effect, State};
use notification::events::Outcome::{self, Cancelled, Completed, Confirmed};
use testkit::machine::assert_machine;

use crate::{
    CANCELLED, COMPLETED, CONFIRMED, decide_messages, given_up, placed, recipient, retried, sent,
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
    let unseen = state(Unseen, []);
    let waiting = state(Unseen, [(Confirmed, Waiting)]);
    let ended_unseen = state(Unseen, [(Confirmed, Overtaken), (Completed, Waiting)]);
    let quiet = state(known(), []);
    let confirming = state(known(), [(Confirmed, Sending)]);
    let behind = state(known(), [(Confirmed, Sending), (Completed, Waiting)]);
    let told = state(known(), [(Confirmed, is_sent())]);
    let untold = state(known(), [(Confirmed, has_failed())]);
    let completing = state(known(), [(Confirmed, is_sent()), (Completed, Sending)]);
    let cancelling = state(known(), [(Cancelled, Sending)]);
    let both_ends = state(known(), [(Completed, Waiting), (Cancelled, Sending)]);
    let done = state(Forgotten, [(Confirmed, is_sent()), (Completed, is_sent())]);
    let in_vain = state(Forgotten, [(Cancelled, has_failed())]);
    let late = state(Forgotten, [(Confirmed, has_failed()), (Cancelled, is_sent())]);
    let states = [
        &unseen,
        &waiting,
        &ended_unseen,
        &quiet,
        &confirming,
        &behind,
        &told,
        &untold,
        &completing,
        &cancelling,
        &both_ends,
        &done,
        &in_vain,
        &late,
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
        retried(Confirmed),
        retried(Completed),
        retried(Cancelled),
    ];
    let be = |state: &State| Decision::to(state.clone());
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
        (&waiting,       COMPLETED,           be(&ended_unseen)),
        (&waiting,       CANCELLED,           to(Unseen, &[(Confirmed, Overtaken), (Cancelled, Waiting)])),

        (&ended_unseen,  placed(),            to(known(), &[(Confirmed, Overtaken), (Completed, Sending)]).perform(mail(Completed))),
        (&ended_unseen,  CANCELLED,           to(Unseen, &[(Confirmed, Overtaken), (Completed, Overtaken), (Cancelled, Waiting)])),

        (&quiet,         CONFIRMED,           be(&confirming).perform(mail(Confirmed))),
        (&quiet,         COMPLETED,           to(known(), &[(Completed, Sending)]).perform(mail(Completed))),
        (&quiet,         CANCELLED,           be(&cancelling).perform(mail(Cancelled))),

        (&confirming,    sent(Confirmed),     be(&told).emit(told_sent(Confirmed))),
        (&confirming,    given_up(Confirmed), be(&untold).emit(told_failed(Confirmed))),
        (&confirming,    COMPLETED,           be(&behind)),
        (&confirming,    CANCELLED,           to(known(), &[(Confirmed, Sending), (Cancelled, Waiting)])),

        (&behind,        sent(Confirmed),     be(&completing).perform(mail(Completed)).emit(told_sent(Confirmed))),
        (&behind,        given_up(Confirmed), to(known(), &[(Confirmed, no()), (Completed, Sending)]).perform(mail(Completed)).emit(told_failed(Confirmed))),
        (&behind,        CANCELLED,           to(known(), &[(Confirmed, Sending), (Completed, Overtaken), (Cancelled, Waiting)])),

        (&told,          COMPLETED,           be(&completing).perform(mail(Completed))),
        (&told,          CANCELLED,           to(known(), &[(Confirmed, yes()), (Cancelled, Sending)]).perform(mail(Cancelled))),

        (&untold,        sent(Confirmed),     be(&told).emit(told_sent(Confirmed))),
        (&untold,        retried(Confirmed),  be(&confirming).perform(mail(Confirmed))),
        (&untold,        COMPLETED,           to(known(), &[(Confirmed, no()), (Completed, Sending)]).perform(mail(Completed))),
        (&untold,        CANCELLED,           to(known(), &[(Confirmed, no()), (Cancelled, Sending)]).perform(mail(Cancelled))),

        (&completing,    sent(Completed),     be(&done).emit(told_sent(Completed))),
        (&completing,    given_up(Completed), to(Forgotten, &[(Confirmed, yes()), (Completed, no())]).emit(told_failed(Completed))),
        (&completing,    CANCELLED,           to(known(), &[(Confirmed, yes()), (Completed, Sending), (Cancelled, Waiting)])),

        (&cancelling,    sent(Cancelled),     to(Forgotten, &[(Cancelled, yes())]).emit(told_sent(Cancelled))),
        (&cancelling,    given_up(Cancelled), be(&in_vain).emit(told_failed(Cancelled))),
        (&cancelling,    CONFIRMED,           to(known(), &[(Confirmed, Overtaken), (Cancelled, Sending)])),
        (&cancelling,    COMPLETED,           be(&both_ends)),

        (&both_ends,     CONFIRMED,           to(known(), &[(Confirmed, Overtaken), (Completed, Waiting), (Cancelled, Sending)])),
        (&both_ends,     sent(Cancelled),     to(known(), &[(Completed, Sending), (Cancelled, yes())]).perform(mail(Completed)).emit(told_sent(Cancelled))),
        (&both_ends,     given_up(Cancelled), to(known(), &[(Completed, Sending), (Cancelled, no())]).perform(mail(Completed)).emit(told_failed(Cancelled))),

        (&in_vain,       sent(Cancelled),     to(Forgotten, &[(Cancelled, yes())]).emit(told_sent(Cancelled))),
        (&in_vain,       retried(Cancelled),  to(Forgotten, &[(Cancelled, Sending)]).perform(mail(Cancelled))),

        (&late,          sent(Confirmed),     to(Forgotten, &[(Confirmed, yes()), (Cancelled, yes())]).emit(told_sent(Confirmed))),
        (&late,          retried(Confirmed),  to(Forgotten, &[(Confirmed, Overtaken), (Cancelled, yes())])),
    ]
    .map(|(given, when, then)| (given.clone(), when, then));
    assert_machine(&states, &inputs, &transitions, decide_messages);
}
