//! Row-level security, as a login that is bound by it sees it, and set-up by logins with fewer rights.

use crate::database::{Database, in_database, store};
use crate::records::{conversation, document, message, scope};
use smooai_smooth_operator_adapter_postgres::{Settings, SetupError, adapter};
use smooai_smooth_operator_retrieval::analyse::Language;
use smooai_smooth_operator_store::{
    Access, AccessList, AdminRecord, ClaimRequest, RecordKind, StorageAdapter,
};
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};

/// Something in every table, for the organisation.
async fn fill(store: &StorageAdapter, organization: &str) {
    let ada = scope(organization, "ada");
    let made = store.conversations.create(conversation(&ada, "c")).await.unwrap();
    store.messages.append(&ada, message(&made, 0)).await.unwrap();
    let request = ClaimRequest {
        conversation: made.id.clone(),
        turn: format!("{organization} turn").into(),
        request_id: "r".to_owned(),
        now: made.created_at,
        lease_until: made.created_at,
    };
    let claim = store.turns.claim(&ada, request).await.unwrap().unwrap();
    let entry = smooai_smooth_operator_store::JournalEntry {
        call: "c".to_owned(),
        tool: "t".to_owned(),
        outcome: smooai_smooth_operator_store::JournalOutcome::Begun,
        at: made.created_at,
    };
    store.journal.append(&claim, entry).await.unwrap();
    store.sessions.create(crate::records::session(&made)).await.unwrap();
    store
        .knowledge
        .put(document(organization, "d", AccessList::Public, "parcel", &[1.0, 0.0]))
        .await
        .unwrap();
    let admin = AdminRecord {
        organization: organization.into(),
        kind: "run".to_owned(),
        id: "1".to_owned(),
        value: serde_json::json!(1),
        updated_at: made.created_at,
    };
    store.admin.put(admin).await.unwrap();
}

/// The tables of the schema that hold what is an organisation's.
async fn tables(connection: &mut PgConnection) -> Vec<String> {
    let sql = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'smooth_operator' \
               AND tablename <> 'migrations' ORDER BY 1";
    sqlx::query(sql).fetch_all(connection).await.unwrap().iter().map(|row| row.get(0)).collect()
}

async fn rows(connection: &mut PgConnection, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM smooth_operator.{table}");
    sqlx::query(&sql).fetch_one(connection).await.unwrap().get(0)
}

#[tokio::test]
#[ignore = "needs a Postgres server"]
async fn every_table_shows_the_rows_of_the_organisation_that_is_set_and_no_other() {
    in_database(async |database| {
        let store = database.store().await;
        fill(&store, "north").await;
        fill(&store, "south").await;
        let mut connection = database.connection().await;
        let tables = tables(&mut connection).await;
        assert_eq!(tables.len(), 11, "{tables:?}");
        for table in &tables {
            assert!(rows(&mut connection, table).await >= 2, "{table} is not filled for both");
        }
        connection.execute("SET ROLE smooth_operator_app").await.unwrap();
        for table in &tables {
            assert_eq!(rows(&mut connection, table).await, 0, "{table} without an organisation");
        }
        for (organization, some) in [("north", true), ("nowhere", false), ("", false)] {
            let set = format!("SET smooth_operator.organization = '{organization}'");
            connection.execute(set.as_str()).await.unwrap();
            for table in &tables {
                let seen = rows(&mut connection, table).await;
                assert_eq!(seen > 0, some, "{table} for {organization:?}: {seen} rows");
                connection.execute("RESET ROLE").await.unwrap();
                let all = rows(&mut connection, table).await;
                assert_eq!(seen * 2, if some { all } else { 0 }, "{table}: half of all");
                connection.execute("SET ROLE smooth_operator_app").await.unwrap();
            }
        }
        // What is another organisation's can neither be written nor moved there.
        connection.execute("SET smooth_operator.organization = 'north'").await.unwrap();
        for sql in [
            "INSERT INTO smooth_operator.admin VALUES ('south', 'run', '2', '1', 0)",
            "UPDATE smooth_operator.admin SET organization = 'south'",
            "INSERT INTO smooth_operator.postings SELECT max(audience) + 1, 1, 1, 1, 1 FROM smooth_operator.postings",
            "ALTER TABLE smooth_operator.admin DISABLE ROW LEVEL SECURITY",
            "DROP POLICY organization ON smooth_operator.admin",
            "UPDATE smooth_operator.migrations SET checksum = ''",
        ] {
            let refused = connection.execute(sql).await.unwrap_err();
            let code = refused.as_database_error().unwrap().code().unwrap().into_owned();
            assert_eq!(code, "42501", "{sql}: {refused}");
        }
        let gone = connection.execute("DELETE FROM smooth_operator.admin").await.unwrap();
        assert_eq!(gone.rows_affected(), 1, "its own record only");
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a Postgres server"]
async fn a_turn_shows_itself_and_its_journal_only() {
    in_database(async |database| {
        let store = database.store().await;
        fill(&store, "north").await;
        fill(&store, "south").await;
        let mut connection = database.connection().await;
        let tables = tables(&mut connection).await;
        connection.execute("SET ROLE smooth_operator_app").await.unwrap();
        connection.execute("SET smooth_operator.turn = 'north turn'").await.unwrap();
        for table in tables {
            let expected = i64::from(matches!(table.as_str(), "turns" | "journal"));
            assert_eq!(rows(&mut connection, &table).await, expected, "{table}");
        }
    })
    .await;
}

async fn login(database: &Database, name: &str, rights: &str) -> url::Url {
    database.run(&format!("CREATE ROLE {name} LOGIN {rights}")).await;
    database.for_login(name)
}

async fn refused(url: &url::Url) -> SetupError {
    match adapter(&Settings::from_url(url.as_str()).unwrap(), Language::English).await {
        Ok(_) => panic!("{url} was let in"),
        Err(error) => error,
    }
}

/// Roles are the whole server's: they are dropped again.
async fn forget(database: &Database, login: &str) {
    database.run(&format!("DROP OWNED BY {login} CASCADE; DROP ROLE {login}")).await;
}

#[tokio::test]
#[ignore = "needs a Postgres server"]
async fn the_owner_of_a_database_who_may_make_no_roles_is_bound_as_well() {
    in_database(async |database| {
        let name = format!("owner_{}", database.name());
        let url = login(&database, &name, "").await;
        let error = refused(&url).await;
        assert!(matches!(error, SetupError::Denied { .. }), "{error}");
        assert!(
            error.to_string().contains("GRANT CREATE ON DATABASE")
                || error.to_string().contains("CREATE EXTENSION vector"),
            "{error}"
        );
        database.run("CREATE EXTENSION vector").await;
        let error = refused(&url).await;
        assert!(
            error.to_string().contains(&format!("GRANT CREATE ON DATABASE {} TO {name}", database.name())),
            "{error}"
        );
        database.run(&format!("GRANT CREATE ON DATABASE {} TO {name}", database.name())).await;
        let own = store(&url).await;
        fill(&own, "north").await;
        fill(&own, "south").await;
        let mut connection = PgConnection::connect(url.as_str()).await.unwrap();
        for table in tables(&mut connection).await {
            assert_eq!(
                rows(&mut connection, &table).await,
                0,
                "{table}: the owner sees nothing without an organisation"
            );
        }
        forget(&database, &name).await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a Postgres server"]
async fn a_login_that_only_uses_the_tables_needs_one_grant() {
    in_database(async |database| {
        let name = format!("user_{}", database.name());
        fill(&database.store().await, "north").await;
        let url = login(&database, &name, "").await;
        let error = refused(&url).await;
        assert!(error.to_string().contains(&format!("GRANT smooth_operator_app TO {name}")), "{error}");
        database.run(&format!("GRANT smooth_operator_app TO {name}")).await;
        let own = store(&url).await;
        fill(&own, "south").await;
        let found = own.knowledge.keyword(&Access::public("south"), "parcels", 5).await.unwrap();
        assert_eq!(found.len(), 1);
        // Reading all organisations is another right.
        let export = own.transfer.export(RecordKind::Message, None, 5).await;
        let refused = export.unwrap_err().to_string();
        assert!(refused.contains("GRANT smooth_operator_transfer TO"), "{refused}");
        database.run(&format!("GRANT smooth_operator_transfer TO {name}")).await;
        assert_eq!(own.transfer.export(RecordKind::Message, None, 5).await.unwrap().records.len(), 2);
        forget(&database, &name).await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a Postgres server"]
async fn tables_of_a_later_version_and_changed_migrations_are_refused() {
    in_database(async |database| {
        database.store().await;
        database.run("INSERT INTO smooth_operator.migrations (version, checksum) VALUES (99, '')").await;
        let error = refused(&database.url()).await.to_string();
        assert!(error.contains("version 99") && error.contains("a later one"), "{error}");
        database.run("DELETE FROM smooth_operator.migrations WHERE version = 99").await;
        database.run("UPDATE smooth_operator.migrations SET checksum = 'other' WHERE version = 1").await;
        let error = refused(&database.url()).await.to_string();
        assert!(error.contains("migration 1") && error.contains("checksum"), "{error}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a Postgres server"]
async fn programs_that_start_at_once_make_the_tables_once() {
    in_database(async |database| {
        let mut starting = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let database = database.clone();
            starting.spawn(async move { database.store().await });
        }
        let stores = starting.join_all().await;
        fill(&stores[7], "north").await;
        let mut connection = database.connection().await;
        let sql = "SELECT count(*) FROM smooth_operator.migrations";
        let versions: i64 = sqlx::query(sql).fetch_one(&mut connection).await.unwrap().get(0);
        assert_eq!(versions, 1);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a Postgres server"]
async fn a_pgvector_in_a_schema_of_its_own_is_found() {
    in_database(async |database| {
        database.run("CREATE SCHEMA \"Ext ensions\"; CREATE EXTENSION vector SCHEMA \"Ext ensions\"").await;
        let store = database.store().await;
        fill(&store, "north").await;
        let found = store.knowledge.dense(&Access::public("north"), &[1.0, 0.0], 5).await.unwrap();
        assert_eq!(found.len(), 1);
    })
    .await;
}
