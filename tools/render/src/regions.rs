//! All that follows from the services' declarations, and where it is.

use contracts::Declared;
use declarations::{Fleet, variable};
use graph::Graph;

use crate::render::Region;

/// All regions. A file's are in the order in which they are in it.
pub(crate) const REGIONS: [Region; 17] = [
    Region { file: "Dockerfile", name: "programs", render: image_programs },
    Region { file: "Dockerfile", name: "services", render: images },
    Region { file: "docker-compose.yml", name: "urls", render: compose_urls },
    Region { file: "docker-compose.yml", name: "services", render: compose_services },
    Region { file: "docker-compose.yml", name: "ports", render: compose_ports },
    Region { file: "docker-compose.yml", name: "databases", render: compose_databases },
    Region { file: "docker-compose.yml", name: "healthy", render: compose_healthy },
    Region { file: "docker-compose.yml", name: "passwords", render: compose_passwords },
    Region { file: "deploy/proxy/nginx.conf", name: "map", render: proxy_map },
    Region { file: "deploy/proxy/nginx.conf", name: "listen", render: proxy_listen },
    Region { file: "deploy/observability/prometheus.yml", name: "jobs", render: jobs },
    Region { file: "deploy/observability/native.yml", name: "jobs", render: native_jobs },
    Region { file: "deploy/observability/rules/presence.yml", name: "missing", render: missing },
    Region { file: "deploy/observability/rules/tests/fleet.yml", name: "fleet", render: well },
    Region { file: "README.md", name: "services", render: readme },
    Region { file: "ARCHITECTURE.md", name: "dance", render: dance },
    Region { file: "docs/deploy.md", name: "permissions", render: permissions },
];

/// What there is to say of each service, one after the other.
fn each(fleet: &Fleet, of: impl Fn(&Declared) -> String) -> String {
    fleet.services().iter().map(of).collect()
}

fn image_programs(fleet: &Fleet) -> String {
    let packages = fleet.names().chain(["farandole", "farandole-console", "farandole-demo"]);
    let packages: Vec<String> = packages.map(|name| format!("--package {name}")).collect();
    format!("ENV PROGRAMS=\"{}\"\n", packages.join(" \\\n    "))
}

fn images(fleet: &Fleet) -> String {
    let image = |it: &Declared| {
        let Declared { service, port, about, .. } = it;
        let about = capitalized(about);
        format!(
            "\
FROM program AS {service}
LABEL org.opencontainers.image.title=\"farandole/{service}\" \\
      org.opencontainers.image.description=\"{about}\"
COPY --from=build /farandole/target/release/{service} /usr/local/bin/
ENV HTTP_ADDR=0.0.0.0:{port}
EXPOSE {port}
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s CMD [\"{service}\", \"health\"]
ENTRYPOINT [\"{service}\"]
"
        )
    };
    let images: Vec<String> = fleet.services().iter().map(image).collect();
    images.join("\n")
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn compose_urls(fleet: &Fleet) -> String {
    each(fleet, |Declared { service, port, .. }| {
        format!("{}: http://{service}:{port}\n", variable(service, "URL"))
    })
}

fn compose_services(fleet: &Fleet) -> String {
    let block = |Declared { service, .. }: &Declared| {
        let password = variable(service, "DATABASE_PASSWORD");
        format!(
            "\
{service}:
  <<: *service
  image: farandole/{service}
  build: {{ context: ., target: {service} }}
  environment:
    <<: *settings
    DATABASE_URL: postgres://{service}:${{{password}:-{service}}}@postgres:5432/{service}
"
        )
    };
    let blocks: Vec<String> = fleet.services().iter().map(block).collect();
    blocks.join("\n")
}

fn compose_ports(fleet: &Fleet) -> String {
    each(fleet, |Declared { service, port, .. }| {
        format!("- 127.0.0.1:${{{}:-{port}}}:{port}\n", variable(service, "PORT"))
    })
}

fn compose_databases(fleet: &Fleet) -> String {
    let operator = "operator:${OPERATOR_DATABASE_PASSWORD:-operator}";
    each(fleet, |Declared { service, .. }| {
        let url = variable(service, "DATABASE_URL");
        format!("{url}: postgres://{operator}@postgres:5432/{service}\n")
    })
}

fn compose_healthy(fleet: &Fleet) -> String {
    each(fleet, |it| format!("{}: {{ condition: service_healthy }}\n", it.service))
}

fn compose_passwords(fleet: &Fleet) -> String {
    each(fleet, |Declared { service, .. }| {
        let password = variable(service, "DATABASE_PASSWORD");
        format!("{password}: ${{{password}:-{service}}}\n")
    })
}

fn proxy_map(fleet: &Fleet) -> String {
    each(fleet, |it| format!("{} {};\n", it.port, it.service))
}

fn proxy_listen(fleet: &Fleet) -> String {
    each(fleet, |it| format!("listen {};\n", it.port))
}

fn jobs(fleet: &Fleet) -> String {
    each(fleet, |Declared { service, port, .. }| {
        format!(
            "\
- job_name: {service}
  dns_sd_configs: [{{ names: [{service}], type: A, port: {port}, refresh_interval: 5s }}]
"
        )
    })
}

fn native_jobs(fleet: &Fleet) -> String {
    each(fleet, |Declared { service, port, .. }| {
        format!(
            "\
- job_name: {service}
  static_configs: [{{ targets: [\"127.0.0.1:{port}\"] }}]
"
        )
    })
}

fn missing(fleet: &Fleet) -> String {
    each(fleet, |Declared { service, .. }| {
        format!(
            "\
- record: farandole:missing
  expr: absent(up{{job=\"{service}\"}} == 1)
  labels: {{ job: {service} }}
"
        )
    })
}

/// A service that answers, for the tests of the rules.
fn well(fleet: &Fleet) -> String {
    each(fleet, |Declared { service, .. }| {
        format!(
            "\
- record: up
  expr: vector(1) unless on () gone{{job=\"{service}\"}}
  labels: {{ job: {service}, instance: {service}-1 }}
"
        )
    })
}

fn readme(fleet: &Fleet) -> String {
    let row = |it: &Declared| {
        let Declared { service, port, about, paths, .. } = it;
        // One that is below another goes without saying.
        let below = |path: &str| paths.iter().any(|it| path.starts_with(&format!("{it}/")));
        let paths = code(paths.iter().filter(|path| !below(path)), ", ");
        format!("| {service} | {port} | {about} | {paths} |\n")
    };
    "| service | port | what it does | paths |\n|---|---|---|---|\n".to_owned() + &each(fleet, row)
}

fn dance(fleet: &Fleet) -> String {
    format!("```mermaid\n{}```\n", Graph::of(fleet.services()).mermaid())
}

fn permissions(fleet: &Fleet) -> String {
    let row = |it: &Declared| {
        let service = &it.service;
        let reads = |of: &&str| it.consumes.iter().any(|consumed| consumed.from == **of);
        let read = code(fleet.names().filter(reads).map(|from| format!("{from}.events")), " ");
        let written = code(["events", "dead-letters"].map(|it| format!("{service}.{it}")), " ");
        format!("| {service} | {read} | {written} | `{service}` |\n")
    };
    "\
| principal | `Read`, `Describe`, `DescribeConfigs` | `Write`, `Describe`, `DescribeConfigs` | group, `Read` |
|---|---|---|---|
"
    .to_owned()
        + &each(fleet, row)
}

/// These in Markdown, as what a machine reads.
fn code(texts: impl IntoIterator<Item: std::fmt::Display>, separator: &str) -> String {
    let texts: Vec<String> = texts.into_iter().map(|text| format!("`{text}`")).collect();
    texts.join(separator)
}
