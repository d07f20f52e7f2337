//! Pages in their states, each as it was found good: a page is a function of what was seen, so what is made up
//! here gives the same each time. `make render` writes the files anew; what has changed of them is to be read.
//!
//! Those that are called `filled` follow from what the services declare, and who adds a service has `make render`
//! write them anew. Nothing else does.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs};

use askama::Template;
use choreography::Fact;
use cli::OrderId;
use cli::calls::OpenCall;
use cli::gaps::{Gap, Verdict};
use cli::outcomes::Outcomes;
use cli::retries::{Queue, Retries};
use cli::status::{self, Calls, Database, Facts, Finding, Group, Health, Outbox, Seen, Service};
use cli::stuck::{self, Awaited, Stuck};
use jiff::{SignedDuration, Timestamp};
use kernel::Money;
use projection::{Board, Minute, Open, Reading, Row, Way, WayCount};
use serde_json::json;
use uuid::Uuid;

use crate::acts::{Acknowledged, Plan, Wanted};
use crate::looks::{Fleet, Glance, OpenCalls};
use crate::model::Missing;
use crate::pages::Frame;
use crate::pages::acts::{ActPage, OperationsPage};
use crate::pages::books::BooksPage;
use crate::pages::calls::CallsPage;
use crate::pages::gaps::{AcknowledgePage, GapsPage};
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
        gaps: 2,
        hanging: 0,
        differences: 0,
        as_of: "11:14:59 · 1.0 s ago".to_owned(),
        troubles: Vec::new(),
        command: "farandole status".to_owned(),
        json: "/now.json".to_owned(),
        live: "view=%2F".to_owned(),
        is_demo: false,
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

fn fleet(services: Vec<Service>, orders: Seen<Outcomes>, verdict: status::Verdict) -> Fleet {
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

/// Orders of each kind: under way, late, at rest.
fn filled() -> Board {
    let took = |millis: u64| (0..100).map(|it| Duration::from_millis(millis + it * 10)).collect();
    let count = |way, reason: &str, orders, millis| WayCount {
        way,
        reason: reason.to_owned(),
        orders,
        totals: BTreeMap::from([("EUR".to_owned(), orders * 450)]),
        took: took(millis),
    };
    let open = |way, orders, oldest_s, ages| Open { way, orders, oldest_s, ages };
    let [_, charging, completed, declined] = ways();
    let minute = |ago_minutes: i64, events| Minute {
        minute: ago(60 * ago_minutes),
        fact: Fact::named("OrderPlaced").unwrap(),
        events,
    };
    Board {
        reading: Reading { as_of: Some(ago(1)), is_ready: true, ..Reading::default() },
        day: vec![
            count(completed, "", 12_040, 310),
            count(declined, "payment_failed", 170, 120),
            count(charging, "", 12, 0),
        ],
        open: vec![open(charging, 12, 252.0, [3, 0, 4, 5, 0])],
        usual: HashMap::from([(Fact::named("PaymentCharged").unwrap(), took(90))]),
        flow: vec![minute(2, 60), minute(1, 75)],
        late: HashMap::from([(charging.number, 5)]),
    }
}

/// Ways that orders go: placed; reserved; completed; declined.
fn ways() -> [Way; 4] {
    let mut number = 0;
    let completed = [
        "OrderPlaced",
        "StockReserved",
        "PaymentCharged",
        "OrderConfirmed",
        "ShipmentCreated",
        "OrderCompleted",
        "CustomerNotified:confirmed",
        "CustomerNotified:completed",
    ];
    let declined = [
        "OrderPlaced",
        "StockReserved",
        "PaymentFailed",
        "OrderCancelled",
        "StockReleased",
        "CustomerNotified:cancelled",
    ];
    [&completed[..1], &completed[..2], &completed[..], &declined[..]].map(|said| {
        number += 1;
        let said = said.iter().filter_map(|name| Fact::named(name)).collect();
        Way { number, said }
    })
}

fn rows() -> Vec<Row> {
    let [placed, charging, completed, declined] = ways();
    let row = |last: u128, way, moved, reason: Option<&str>| Row {
        id: Uuid::from_u128(ORDER.as_u128() - last),
        began: ago(moved + 1),
        moved: ago(moved),
        way,
        reason: reason.map(str::to_owned),
        total: Some(Money { amount: 123_456, currency: "EUR".parse().unwrap() }),
    };
    vec![
        row(0, placed, 2, None),
        row(1, charging, 252, None),
        row(2, completed, 300, None),
        row(3, declined, 90_000, Some("payment_failed")),
    ]
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
        status::Verdict { notes: vec!["order: slow".to_owned()], ..status::Verdict::default() },
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
        status::Verdict { findings: vec![finding], ..status::Verdict::default() },
    );
    let unseen = Service { database: Seen::unknown(&"silent"), ..service("order", ready()) };
    let blind = fleet(
        vec![unseen],
        Seen::unknown(&"silent"),
        status::Verdict {
            unknown: vec!["order's database: silent".to_owned()],
            ..status::Verdict::default()
        },
    );
    let troubled = Frame { troubles: vec!["It takes long.".to_owned()], ..frame("/") };
    vec![
        ("now-asking", page(None, None, None)),
        ("now-well", page(Some(&well), Some(&Stuck::default()), None)),
        ("now-filled", page(Some(&well), Some(&hanging(1)), Some(&filled()))),
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
    let filled = filled();
    let list = List { rows: rows(), newer: 3, goes_on: true };
    let asked = Query::of("/orders?move=payment&only=late");
    let list = |board: Option<&Board>| {
        let board = board.ok_or(&Missing::NotWanted);
        OrdersPage::new(frame("/orders"), Some(&hanging(2)), board, &list, &asked).render()
    };
    vec![
        ("orders-not-wanted", page(&Stuck::default(), Err(&Missing::NotWanted))),
        ("orders-silent", page(&hanging(2), Err(&silent))),
        ("orders-filled", list(Some(&filled))),
        ("ways-filled", ways(Ok(&filled))),
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

/// A service that misses events, has calls open, and tries something again.
fn owing() -> Service {
    let mut owing = service("payment", ready());
    let gap = |verdict, sequence| Gap {
        service: "payment",
        order_id: OrderId(ORDER),
        source: "/inventory".to_owned(),
        sequence,
        since: ago(61),
        verdict,
    };
    if let Seen::Known(database) = &mut owing.database {
        database.gaps = Seen::Known(vec![
            gap(Verdict::Waiting, 1),
            gap(Verdict::Lost, 2),
            gap(Verdict::Dead, 3),
        ]);
        let (step, last_error) = ("charge".to_owned(), Some("<b>no answer".to_owned()));
        let calls = Calls { step, open: 3, followed: 1, since: Some(ago(252)), last_error };
        database.calls = Seen::Known(vec![calls]);
        let retries = Retries {
            service: "payment",
            cause: "<b>odd".to_owned(),
            error: "odd".to_owned(),
            records: 2,
            types: BTreeSet::from(["OrderPlaced".to_owned()]),
            attempts: 4,
            first: Some(ago(30)),
            last: Some(ago(2)),
            next: Some(ago(-5)),
            example: Some(OrderId(ORDER)),
        };
        database.retries = Seen::Known(Queue { groups: vec![retries], behind: 1 });
    }
    owing
}

fn open_calls() -> OpenCalls {
    let call = |held: Option<&str>, attempts| OpenCall {
        service: "payment",
        order_id: OrderId(ORDER),
        step: "charge".to_owned(),
        destination: Some("visa".to_owned()),
        held: held.map(str::to_owned),
        attempts,
        last_error: Some("<b>no answer".to_owned()),
        since: ago(252),
        due_at: ago(-9),
        effect: json!({"personal": "never shown"}),
    };
    let calls = vec![call(None, 4), call(Some("parked"), 2), call(Some("given_up"), 9)];
    OpenCalls { calls, more: 1_000, unknown: vec!["the database of shipping: silent".to_owned()] }
}

fn owed_pages() -> Pages {
    let fleet_of = |service| fleet(vec![service], outcomes(0, 0), status::Verdict::default());
    let (owing, well) = (fleet_of(owing()), fleet_of(service("payment", ready())));
    let unseen = Service { database: Seen::unknown(&"silent"), ..service("order", ready()) };
    let unseen = fleet_of(unseen);
    let gaps = |fleet| GapsPage::new(frame("/gaps"), fleet).render();
    let calls =
        |fleet, open: Option<&OpenCalls>| CallsPage::new(frame("/calls"), fleet, open).render();
    let books = |trouble: Option<&str>, is_under_way| {
        let audit = Glance { seen: None, at: ago(9), trouble: trouble.map(str::to_owned) };
        BooksPage::new(frame("/audit"), &audit, is_under_way).render()
    };
    let lost = Acknowledged {
        order: ORDER,
        source: "/inventory".to_owned(),
        sequence: 2,
        operation: Some(ORDER),
        reason: String::new(),
    };
    let acknowledge = |objection: &str, forbidden| {
        let (wanted, objection) = (lost.clone(), objection.to_owned());
        AcknowledgePage::new(frame("/gaps"), wanted, objection, forbidden).render()
    };
    vec![
        ("gaps-asking", gaps(None)),
        ("gaps-none", gaps(Some(&well))),
        ("gaps-some", gaps(Some(&owing))),
        ("gaps-unseen", gaps(Some(&unseen))),
        ("calls-asking", calls(None, None)),
        ("calls-none", calls(Some(&well), None)),
        ("calls-some", calls(Some(&owing), Some(&open_calls()))),
        ("calls-unseen", calls(Some(&unseen), None)),
        ("books-never", books(None, false)),
        ("books-broken-off", books(Some("silent"), false)),
        ("books-under-way", books(None, true)),
        ("acknowledge-operator", acknowledge("Say what was done instead.", None)),
        ("acknowledge-viewer", acknowledge("", Some("this needs the role operator"))),
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
    let pages = [now_pages(), orders_pages(), act_pages(), owed_pages(), other_pages()];
    let pages = pages.into_iter().flatten();
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
