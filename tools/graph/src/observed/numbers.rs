use super::difference::Rule;
use super::observer::Observer;
use super::sample::Event;
use super::surroundings::Surroundings;

/// Each service numbers a saga's events from 1, without gaps, and no number twice.
pub(super) fn numbers(
    observer: &mut Observer<'_>,
    events: &mut [Event],
    around: &Surroundings<'_>,
) {
    let emitters: Vec<&str> = observer.kinds.iter().map(|(service, _)| *service).collect();
    let service = |event: &Event| emitters[usize::from(event.kind)];
    events.sort_by_key(|it| (it.saga, service(it), it.sequence, it.offset));
    let mut before: Option<Event> = None;
    for event in events.iter().copied() {
        let emitter = service(&event);
        let same_stream = |it: &Event| (it.saga, service(it)) == (event.saga, emitter);
        let last = before.replace(event).filter(same_stream);
        let what = match last {
            Some(last) if last.sequence == event.sequence => {
                format!("{emitter} has given two events of a saga the same number.")
            }
            Some(last) if last.sequence + 1 < event.sequence => {
                format!("Numbers are missing between two events of a saga of {emitter}.")
            }
            // Of what a topic no longer has, or was not read, nothing can be said.
            None if event.sequence > 1 && around.is_read_whole(emitter) => {
                format!("A saga's first events of {emitter} are missing.")
            }
            _ => continue,
        };
        observer.tell(&event, around, (Rule::BrokenHeader, what));
    }
}
