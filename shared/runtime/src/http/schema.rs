//! What the values of the APIs are, as schemas: the rules of the kernel in the words of `OpenAPI`. A field
//! names one with `#[schema(value_type = schema::Sku)]`.

use std::borrow::Cow;

use kernel::iso::{COUNTRIES, CURRENCIES};
use kernel::text::{EMAIL_MAX, EMAIL_PATTERN, pattern};
use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! schemas {
    ($($(#[$meta:meta])* $name:ident => $schema:expr;)*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let schema: ObjectBuilder = $schema;
                schema.into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    )*};
}

schemas! {
    /// A SKU.
    Sku => string()
        .description(Some("1 to 64 letters, digits, `.`, `_` or `-`, but not `.` or `..`."))
        .pattern(Some(kernel::Sku::PATTERN))
        .examples(["tea"]);

    /// An id.
    Id => string()
        .description(Some("A UUID in lower case with hyphens."))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)))
        .pattern(Some("^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$"))
        .examples(["018f0000-0000-7000-8000-000000000000"]);

    /// A time.
    Time => string()
        .description(Some("A time in UTC (RFC 3339)."))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .examples(["2026-01-02T03:04:05.678Z"]);

    /// A currency that something can be priced in.
    Currency => string()
        .description(Some("A currency in use, by ISO 4217."))
        .enum_values(Some(CURRENCIES))
        .examples(["EUR"]);

    /// A country that an order can be sent to.
    Country => string()
        .description(Some(
            "A country by ISO 3166-1 alpha-2, or one of two codes that it leaves to its users: `XK` for \
             Kosovo, and `XX` for tests, where no carrier delivers.",
        ))
        .enum_values(Some(COUNTRIES))
        .examples(["GB"]);

    /// An e-mail address.
    Email => string()
        .description(Some(
            "One e-mail address, without a name or comments; international domains in ASCII (`xn--…`).",
        ))
        .pattern(Some(EMAIL_PATTERN))
        .max_length(Some(EMAIL_MAX))
        .examples(["ada@example.org"]);

    /// A postal code, or none.
    PostalCode => string()
        .description(Some("As the country writes it; empty where it has none."))
        .pattern(Some(format!("^$|{}", pattern())))
        .max_length(Some(20))
        .examples(["SW1Y 4JH"]);

    /// A line of at most 64 characters.
    Text64 => text(64);
    /// A line of at most 100 characters.
    Text100 => text(100);
    /// A line of at most 200 characters.
    Text200 => text(200);

    /// The key of a request that may be sent twice.
    IdempotencyKey => string()
        .description(Some(
            "Names this request, so that it is carried out once, however often it is sent: 1 to 255 visible \
             ASCII characters, bare or in quotes, such as a UUID. Kept for ever.",
        ))
        .pattern(Some(r#"^(?:[!#-~][!-~]{0,254}|"(?:[!#-\[\]-~]|\\["\\]){1,255}")$"#))
        .examples(["0192d3a4-5b6c-7d8e-9f00-112233445566"]);

    /// Entity tags that a thing must or must not have.
    EntityTags => string()
        .description(Some("`*`, or entity tags as answers have them in `ETag`, comma-separated."))
        .pattern(Some(r#"^(?:\*|(?:W/)?"[!#-~]*"(?: *, *(?:W/)?"[!#-~]*")*)$"#))
        .examples(["\"5f2d8a1c9b3e4d6f7a8b9c0d\""]);
}

fn string() -> ObjectBuilder {
    Object::builder().schema_type(Type::String)
}

fn text(max: usize) -> ObjectBuilder {
    string()
        .description(Some(format!(
            "A line of 1 to {max} characters, not all of them blank, and none that cannot be seen, but for \
             what scripts need to join letters or choose their form."
        )))
        .pattern(Some(pattern()))
        .min_length(Some(1))
        .max_length(Some(max))
}
