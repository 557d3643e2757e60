//! The table of suites, in the order in which they run: what is quick and tells most comes first.
//! A language that joins adds its rows here and, where its tool can be counted, a counter in `count`.

use super::count::{self, Tally};

/// One line of the table that `cargo xtask test` prints.
pub struct Suite {
    pub name: &'static str,
    /// What it proves, for `--list`.
    pub what: &'static str,
    /// Without these it is not run.
    pub tools: &'static [Tool],
    /// Run in order; the first that fails ends the suite.
    pub steps: &'static [Step],
    /// How to count tests in its log. Without it the suite is one check.
    pub count: Option<fn(&str) -> Tally>,
}

/// A program that a suite needs.
pub struct Tool {
    pub name: &'static str,
    /// A command that succeeds where the tool is there.
    pub probe: &'static [&'static str],
    /// What a person does to have it.
    pub get: &'static str,
}

/// One command of a suite.
pub struct Step {
    /// The program and its arguments; `xtask` is this program.
    pub argv: &'static [&'static str],
    pub environment: &'static [(&'static str, &'static str)],
    /// Relative to the root.
    pub folder: &'static str,
}

impl Step {
    /// A command at the root, with the environment as it is.
    const fn plain(argv: &'static [&'static str]) -> Self {
        Self { argv, environment: &[], folder: "" }
    }

    /// A command over the .NET solution.
    const fn dotnet(argv: &'static [&'static str]) -> Self {
        Self { argv, environment: DOTNET_ENVIRONMENT, folder: "dotnet" }
    }

    /// A command in a folder of the root, with the environment as it is.
    const fn within(folder: &'static str, argv: &'static [&'static str]) -> Self {
        Self { argv, environment: &[], folder }
    }
}

/// What a .NET step is run with: words in English, and no build server that outlives it.
const DOTNET_ENVIRONMENT: &[(&str, &str)] = &[
    ("DOTNET_CLI_TELEMETRY_OPTOUT", "1"),
    ("DOTNET_CLI_UI_LANGUAGE", "en"),
    ("DOTNET_NOLOGO", "1"),
    ("MSBUILDDISABLENODEREUSE", "1"),
    ("UseSharedCompilation", "false"),
];

const RUSTFMT: Tool =
    Tool { name: "rustfmt", probe: &["cargo", "fmt", "--version"], get: "rustup component add rustfmt" };
const CLIPPY: Tool =
    Tool { name: "clippy", probe: &["cargo", "clippy", "--version"], get: "rustup component add clippy" };
const GIT: Tool =
    Tool { name: "git", probe: &["git", "--version"], get: "install it from https://git-scm.com" };
const PIP: Tool = Tool {
    name: "python3 with pip",
    probe: &["python3", "-m", "pip", "--version"],
    get: "install Python 3.10 or later from https://www.python.org",
};
const JAVA: Tool = Tool {
    name: "java",
    probe: &["java", "-version"],
    get: "install Java 17 or later from https://adoptium.net",
};
const MAVEN: Tool =
    Tool { name: "maven", probe: &["mvn", "--version"], get: "install it from https://maven.apache.org" };
const NODE: Tool = Tool {
    name: "node",
    probe: &["node", "--version"],
    get: "install Node 20 or later from https://nodejs.org",
};
const GO: Tool =
    Tool { name: "go", probe: &["go", "version"], get: "install Go 1.25 or later from https://go.dev/dl" };
const DOTNET: Tool = Tool {
    name: "dotnet",
    probe: &["dotnet", "--version"],
    get: "install the .NET 10 SDK from https://dotnet.microsoft.com/download",
};
const NPM: Tool = Tool { name: "npm", probe: &["npm", "--version"], get: "it comes with Node" };
const CHROMIUM: Tool = Tool {
    name: "chromium",
    probe: &["/usr/bin/chromium", "--version"],
    get: "install the system's package `chromium`",
};
const PGBOUNCER: Tool = Tool {
    name: "pgbouncer",
    probe: &["pgbouncer", "--version"],
    get: "install the system's package `pgbouncer`",
};

const CORPORA: Tool = Tool {
    name: "a package with schemas",
    probe: &["xtask", "corpora", "--fetch"],
    get: "connect to a network; `cargo xtask corpora --fetch` says which it is",
};

/// A Cargo feature of the workspace that only a bench needs.
const BENCH_RETRIEVAL: &str = "smooai-smooth-operator-conformance/bench-retrieval";

// Cargo settles the features of all dependencies by what one command selects, and builds them again for another
// selection. So every step that builds Rust selects the workspace, and narrows only what is built of it: that is why the
// integration tests of the adapters have names of their own.
pub const SUITES: &[Suite] = &[
    Suite {
        name: "fmt",
        what: "Rust is formatted as rustfmt does",
        tools: &[RUSTFMT],
        steps: &[Step::plain(&["cargo", "fmt", "--all", "--check", "--", "-l", "--color", "never"])],
        count: None,
    },
    Suite {
        name: "clippy",
        what: "clippy has nothing to say of any target",
        tools: &[CLIPPY],
        steps: &[
            // With what is built only for `cargo xtask bench retrieval`.
            Step::plain(&[
                "cargo",
                "clippy",
                "--workspace",
                "--all-targets",
                "--features",
                BENCH_RETRIEVAL,
                "--",
                "-D",
                "warnings",
            ]),
        ],
        count: None,
    },
    Suite {
        name: "tidy",
        what: "sizes, names, links, imports, licences and words are in order",
        tools: &[GIT],
        steps: &[Step::plain(&["xtask", "tidy"])],
        count: None,
    },
    Suite {
        name: "codegen",
        what: "what is generated is what the schemas of spec/ say",
        tools: &[],
        steps: &[Step::plain(&["xtask", "codegen", "--check"])],
        count: None,
    },
    Suite {
        name: "breaking",
        what: "nothing in spec/ breaks a peer that speaks the last tagged version",
        tools: &[GIT],
        steps: &[Step::plain(&["xtask", "codegen", "breaking", "--against-last-tag"])],
        count: Some(count::breaking),
    },
    Suite {
        name: "doc",
        what: "the documentation builds without a warning",
        tools: &[],
        steps: &[Step {
            // An example brings what tests need, so that what clippy checked of dependencies serves here.
            argv: &[
                "cargo",
                "doc",
                "--workspace",
                "--no-deps",
                "--lib",
                "--bins",
                "--example",
                "chat",
                "--features",
                BENCH_RETRIEVAL,
            ],
            environment: &[("RUSTDOCFLAGS", "-D warnings")],
            folder: "",
        }],
        count: None,
    },
    Suite {
        name: "postgres",
        what: "the PostgreSQL adapter, and the server on it, keep their promises on a real Postgres with pgvector",
        tools: &[PIP],
        steps: &[
            Step::plain(&[
                "xtask",
                "services",
                "postgres",
                "--",
                "cargo",
                "test",
                "--workspace",
                "--test",
                "postgres",
                "--test",
                "postgres_crash",
                "--",
                "--ignored",
                "--skip",
                "pooler",
            ]),
            Step::plain(&[
                "xtask",
                "services",
                "postgres",
                "--",
                "cargo",
                "test",
                "--workspace",
                "--test",
                "server",
                "postgres",
                "--",
                "--ignored",
            ]),
        ],
        count: Some(count::cargo_test),
    },
    Suite {
        name: "pooler",
        what: "the PostgreSQL adapter keeps its promises behind PgBouncer in transaction mode",
        tools: &[PIP, PGBOUNCER],
        steps: &[Step::plain(&[
            "xtask",
            "services",
            "postgres",
            "--",
            "cargo",
            "test",
            "--workspace",
            "--test",
            "postgres",
            "pooler",
            "--",
            "--ignored",
        ])],
        count: Some(count::cargo_test),
    },
    Suite {
        name: "dynamodb",
        what: "the DynamoDB and S3 Vectors storage, and the server on it, keep every promise of a store, and data moves between all four",
        tools: &[JAVA, MAVEN, PIP],
        steps: &[
            Step::plain(&[
                "xtask",
                "services",
                "postgres",
                "dynamodb",
                "s3vectors",
                "--",
                "cargo",
                "test",
                "--workspace",
                "--test",
                "dynamodb",
                "--test",
                "dynamodb_crash",
                "--no-fail-fast",
                "--",
                "--ignored",
            ]),
            Step::plain(&[
                "xtask",
                "services",
                "dynamodb",
                "s3vectors",
                "--",
                "cargo",
                "test",
                "--workspace",
                "--test",
                "server",
                "dynamodb",
                "--",
                "--ignored",
            ]),
        ],
        count: Some(count::cargo_test),
    },
    Suite {
        name: "embeddings",
        what: "the local endpoint gives the product's client the vectors of all-MiniLM-L6-v2",
        tools: &[PIP],
        steps: &[Step::plain(&[
            "xtask",
            "services",
            "embeddings",
            "--",
            "cargo",
            "test",
            "--workspace",
            "--test",
            "endpoint",
            "--",
            "--ignored",
        ])],
        count: Some(count::cargo_test),
    },
    Suite {
        name: "rust",
        what: "unit, integration and documentation tests of all crates",
        tools: &[GIT],
        steps: &[Step::plain(&["cargo", "test", "--workspace", "--no-fail-fast"])],
        count: Some(count::cargo_test),
    },
    Suite {
        name: "typescript",
        what: "the TypeScript client is formatted, strictly typed, and passes its tests",
        tools: &[NODE, NPM],
        steps: &[
            Step::within("typescript", &["npm", "ci", "--no-audit", "--no-fund"]),
            Step::within("typescript", &["npm", "run", "format"]),
            Step::within("typescript", &["npm", "run", "check"]),
            Step::within("typescript", &["npm", "test"]),
        ],
        count: Some(count::node_test),
    },
    Suite {
        name: "browser",
        what: "the TypeScript client talks, reconnects and shows its token from a page in headless Chromium",
        tools: &[NODE, NPM, CHROMIUM],
        steps: &[
            Step::within("typescript", &["npm", "ci", "--no-audit", "--no-fund"]),
            Step::within("typescript", &["npm", "run", "test:browser"]),
        ],
        count: Some(count::node_test),
    },
    Suite {
        name: "go",
        what: "the Go client is formatted, clean for vet and staticcheck, passes its tests, and so do generated types",
        tools: &[GO],
        steps: &[
            Step::within("go", &["gofmt", "-d", "."]),
            Step::within("go", &["go", "vet", "./..."]),
            Step::within("go", &["go", "run", "honnef.co/go/tools/cmd/staticcheck@v0.8.2", "./..."]),
            Step::within("go", &["go", "test", "-race", "-v", "./..."]),
            Step::plain(&["cargo", "test", "--workspace", "--test", "codegen_go", "--", "--ignored"]),
        ],
        count: Some(count::go_test),
    },
    Suite {
        name: "dotnet",
        what: "the .NET client is formatted, builds without a warning for every target, packs, and passes its tests",
        tools: &[DOTNET],
        steps: &[
            Step::dotnet(&["dotnet", "build", "-c", "Release"]),
            Step::dotnet(&["dotnet", "format", "--verify-no-changes", "--no-restore"]),
            Step::dotnet(&["dotnet", "test", "-c", "Release", "--no-build"]),
            Step::dotnet(&["dotnet", "pack", "-c", "Release", "--no-build"]),
        ],
        count: Some(count::dotnet_test),
    },
    Suite {
        name: "python",
        what: "the Python client is formatted, strictly typed for mypy and pyright, passes its tests, and so do generated types",
        tools: &[PIP, NODE],
        steps: &[
            Step::within("python", &["python3", "-m", "venv", ".venv"]),
            Step::within("python", &[".venv/bin/pip", "install", "-q", "-r", "requirements-dev.txt"]),
            Step::within("python", &[".venv/bin/ruff", "format", "--diff", "."]),
            Step::within("python", &[".venv/bin/ruff", "check", "."]),
            Step::within("python", &[".venv/bin/mypy"]),
            Step::within("python", &[".venv/bin/pyright", "--pythonpath", ".venv/bin/python"]),
            Step {
                argv: &[
                    ".venv/bin/python",
                    "-W",
                    "error",
                    "-m",
                    "unittest",
                    "discover",
                    "-s",
                    "tests",
                    "-t",
                    ".",
                ],
                environment: &[("PYTHONPATH", "src")],
                folder: "python",
            },
            Step::plain(&["cargo", "test", "--workspace", "--test", "codegen_python", "--", "--ignored"]),
        ],
        count: Some(count::unittest),
    },
    Suite {
        name: "codec",
        what: "the generated codecs of all languages agree on every type of spec/: one test per type and language",
        tools: &[],
        steps: &[Step::plain(&["xtask", "codec"])],
        count: Some(count::cargo_test),
    },
    Suite {
        name: "corpora",
        what: "JSON-Schema-Test-Suite and public schemas generate, compile in every language, and judge as they should",
        tools: &[PIP, NODE, NPM, GO, DOTNET, CORPORA],
        steps: &[Step::plain(&["xtask", "corpora"])],
        count: Some(count::cargo_test),
    },
    Suite {
        name: "conformance",
        what: "all five clients agree with the real server, every deliberate fault is found, random conversations hold; on SQLite and in process too",
        tools: &[],
        steps: &[
            Step::plain(&["xtask", "conformance"]),
            Step::plain(&["xtask", "conformance", "--mutants", "--client", "rust"]),
            Step::plain(&["xtask", "conformance", "--seeds", "500"]),
            Step::plain(&[
                "xtask",
                "conformance",
                "--client",
                "rust",
                "--client",
                "raw",
                "--storage",
                "memory,sqlite",
                "--mount",
                "server,inprocess",
            ]),
        ],
        count: Some(count::conformance),
    },
    Suite {
        name: "storages",
        what: "the conformance corpus holds on PostgreSQL and on DynamoDB with S3 Vectors, restarts and lost lines included",
        tools: &[JAVA, MAVEN, PIP],
        steps: &[Step::plain(&[
            "xtask",
            "services",
            "postgres",
            "dynamodb",
            "s3vectors",
            "--",
            "cargo",
            "xtask",
            "conformance",
            "--client",
            "rust",
            "--client",
            "raw",
            "--storage",
            "postgres,dynamodb",
        ])],
        count: Some(count::conformance),
    },
];
