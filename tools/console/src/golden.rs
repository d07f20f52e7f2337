//! Pages in their states, each as it was found good: a page is a function of what was seen, so what is made up
//! here gives the same each time. `make render` writes the files anew; what has changed of them is to be read.
//!
//! Nothing in them follows from what the services declare: who adds a service changes none of these.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::{env, fs};

use askama::Template;
use cli::OrderId;
use cli::outcomes::Outcomes;
use cli::status::{Calls, Database, Facts, Finding, Group, Health, Outbox, Seen, Service, Verdict};
use cli::stuck::{self, Awaited, Stuck};
use jiff::{SignedDuration, Timestamp};
use projection::Reading;
use uuid::Uuid;

use crate::acts::{Plan, Wanted};
use crate::looks::Fleet;
use crate::model::{Board, Missing};
use crate::pages::Frame;
use crate::pages::acts::{ActPage, OperationsPage};
use crate::pages::letters::LettersPage;
use crate::pages::now::NowPage;
use crate::pages::orders::{List, OrdersPage};
use crate::pages::query::Query;
use crate::pages::said::SaidPage;
use crate::pages::ways::WaysPage;
use crate::words::now;

/// The order that is told of.
const ORDER: Uuid = Uuid::from_u128(0x01a2_2e79_2c33_7626_8464_80cb_a766_094c);

fn frame(page: &'static str) -> Frame {
    Frame {
        fleet: "<b>test".to_owned(),
        version: "0",
        page,
        letters: 3,
        hanging: 0,
        differences: 0,
        as_of: "11:14:59 · 1.0 s ago".to_owned(),
        troubles: Vec::new(),
        command: "farandole status".to_owned(),
        json: "/now.json".to_owned(),
        live: "view=%2F".to_owned(),
    }
}

fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

fn service(name: &'static str, health: Health) -> Service {
    let group = Group { state: "Stable".to_owned(), members: 1, unread: 0, unread_since: None };
    let url = format!("http://{name}.example");
    let database = Seen::Known(Database {
        instances: Seen::Known(1),
        outbox: Seen::Known(Outbox { events: 1_204, since: Some(ago(7)) }),
        calls: Seen::Known(Vec::new()),
        held: Seen::NotAsked,
        retries: Seen::NotAsked,
        gaps: Seen::Known(Vec::new()),
        sessions: Seen::NotAsked,
    });
    Service { name, url, health, group: Seen::Known(group), database }
}

fn ready() -> Health {
    Health::Ready { details: BTreeMap::new() }
}

fn fleet(services: Vec<Service>, orders: Seen<Outcomes>, verdict: Verdict) -> Fleet {
    let (dead_letters, quotas) = (Seen::Known(Vec::new()), Seen::NotAsked);
    let facts = Facts { services, orders, dead_letters, quotas, databases_not_given: Vec::new() };
    Fleet { facts, verdict }
}

fn outcomes(completed: i64, declined: i64) -> Seen<Outcomes> {
    let cancelled = BTreeMap::from([("payment_declined".to_owned(), declined)]);
    Seen::Known(Outcomes { within_s: 600, completed, cancelled, ..Outcomes::default() })
}

fn hanging(orders: usize) -> Stuck {
    let group = stuck::Group {
        service: "payment",
        awaits: Awaited::Call { step: "charge" },
        orders,
        since: ago(252),
        last: ago(61),
        example: OrderId(ORDER),
    };
    Stuck { groups: vec![group], ..Stuck::default() }
}

/// No orders, and how far the topics were read.
fn board(reading: Reading) -> Board {
    Board {
        reading,
        day: Vec::new(),
        open: Vec::new(),
        usual: HashMap::new(),
        flow: Vec::new(),
        late: HashMap::new(),
    }
}

fn old() -> Reading {
    Reading { as_of: Some(ago(22)), is_ready: true, ..Reading::default() }
}

fn rebuilding() -> Reading {
    Reading { read: 300, behind: 900, ..Reading::default() }
}

type Pages = Vec<(&'static str, askama::Result<String>)>;

fn now_pages() -> Pages {
    let page = |fleet: Option<&Fleet>, stuck: Option<&Stuck>, board: Option<&Board>| {
        NowPage::new(frame("/"), fleet, stuck, board).render()
    };
    let well = fleet(
        vec![service("order", ready()), service("payment", ready())],
        outcomes(1_200, 0),
        Verdict { notes: vec!["order: slow".to_owned()], ..Verdict::default() },
    );
    let mut calling = service("payment", ready());
    if let Seen::Known(database) = &mut calling.database {
        let (step, last_error) = ("charge".to_owned(), Some("no answer within 5s".to_owned()));
        let calls = Calls { step, open: 2, followed: 0, since: Some(ago(252)), last_error };
        database.calls = Seen::Known(vec![calls]);
    }
    let finding = Finding {
        service: Some("order"),
        what: "<b>cannot be reached".to_owned(),
        next: vec!["start it".to_owned(), "look at its log".to_owned()],
    };
    let away = Health::Away { reason: "refused".to_owned() };
    let wrong = fleet(
        vec![service("order", away), calling],
        outcomes(7, 3),
        Verdict { findings: vec![finding], ..Verdict::default() },
    );
    let unseen = Service { database: Seen::unknown(&"silent"), ..service("order", ready()) };
    let blind = fleet(
        vec![unseen],
        Seen::unknown(&"silent"),
        Verdict { unknown: vec!["order's database: silent".to_owned()], ..Verdict::default() },
    );
    let troubled = Frame { troubles: vec!["It takes long.".to_owned()], ..frame("/") };
    vec![
        ("now-asking", page(None, None, None)),
        ("now-well", page(Some(&well), Some(&Stuck::default()), None)),
        ("now-hanging", page(Some(&well), Some(&hanging(1)), Some(&board(old())))),
        ("now-wrong", page(Some(&wrong), Some(&hanging(1_204)), Some(&board(rebuilding())))),
        ("now-blind", NowPage::new(troubled, Some(&blind), None, None).render()),
    ]
}

fn orders_pages() -> Pages {
    let query = Query::of("/orders?only=late");
    let page = |stuck: &Stuck, board: Result<&Board, &Missing>| {
        OrdersPage::new(frame("/orders"), Some(stuck), board, &List::default(), &query).render()
    };
    let silent = Missing::Trouble("the database is silent".to_owned());
    let ways = |board: Result<&Board, &Missing>| WaysPage::new(frame("/ways"), board).render();
    vec![
        ("orders-not-wanted", page(&Stuck::default(), Err(&Missing::NotWanted))),
        ("orders-silent", page(&hanging(2), Err(&silent))),
        ("ways-silent", ways(Err(&silent))),
        ("ways-none", ways(Ok(&board(old())))),
        ("ways-rebuilding", ways(Ok(&board(rebuilding())))),
    ]
}

fn act_pages() -> Pages {
    let plan = |letters: usize| Plan {
        letters,
        targets: match letters {
            0 => Vec::new(),
            _ => vec![("a.events".to_owned(), "a".to_owned(), letters, "OrderPlaced".to_owned())],
        },
        orders: letters.min(1),
        left_out: vec![("payment/0/17".to_owned(), "<b>its topic is gone".to_owned())],
    };
    let page = |what: &str, letters, objection: Option<&str>, forbidden| {
        let wanted = Wanted {
            what: what.to_owned(),
            service: Some("payment".to_owned()),
            cause: Some("<b>odd".to_owned()),
            operation: Some(ORDER),
            ..Wanted::default()
        };
        let objection = objection.map(str::to_owned);
        ActPage::new(frame("/dead-letters"), wanted, plan(letters), objection, forbidden).render()
    };
    vec![
        ("act-nothing", page("redrive", 0, None, None)),
        ("act-operator", page("redrive", 3, None, None)),
        ("act-viewer", page("discard", 1, None, Some("this needs the role operator"))),
        ("act-many", page("redrive", 1_204, Some("These are many: type 1204."), None)),
    ]
}

fn other_pages() -> Pages {
    let page = frame("/dead-letters");
    let said = SaidPage {
        frame: Frame { live: String::new(), json: String::new(), ..frame("") },
        title: "Find".to_owned(),
        sentence: "Several orders end with “<b>”.".to_owned(),
        reasons: vec!["An order is found by its id.".to_owned()],
        links: vec![(format!("/orders/{ORDER}"), ORDER.to_string())],
    };
    vec![
        ("letters-reading", LettersPage::new(page.clone(), None).render()),
        ("operations-reading", OperationsPage::new(page, None).render()),
        ("said", said.render()),
    ]
}

#[test]
fn pages_are_as_they_were_found_good() {
    let pages = [now_pages(), orders_pages(), act_pages(), other_pages()].into_iter().flatten();
    let files = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut names = BTreeSet::new();
    for (name, page) in pages {
        let (name, page) = (format!("{name}.html"), page.unwrap() + "\n");
        if env::var_os("FARANDOLE_RENDER").is_some() {
            fs::write(files.join(&name), &page).unwrap();
        }
        let good = fs::read_to_string(files.join(&name)).unwrap_or_default();
        let mut lines = page.lines().zip(good.lines().chain([""]));
        let other = lines.find(|(is, was)| is != was);
        assert!(
            page == good,
            "tests/golden/{name} is another: {other:#?}\nrun this test with FARANDOLE_RENDER=1, and read what \
             has changed"
        );
        assert!(names.insert(name.clone()), "{name} is there twice");
    }
    let kept =
        fs::read_dir(&files).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap());
    assert_eq!(kept.collect::<BTreeSet<_>>(), names, "each file is a page");
}
