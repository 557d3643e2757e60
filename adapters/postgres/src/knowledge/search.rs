//! The two searches, one statement each: who may read, the statistics over that, the ranking.

use super::read_by;
use crate::database::{Database, Who, Work};
use crate::failure::Failure;
use crate::row::Columns;
use crate::text;
use smooai_smooth_operator_retrieval::bm25::{B, K1, MOST_TERMS};
use smooai_smooth_operator_store::{Access, ChunkRef, Hit, Result};
use sqlx::postgres::PgRow;
use std::sync::LazyLock;

/// BM25 as `retrieval::bm25` has it. Every count is over the audiences that let the reader in. A question
/// of more than so many terms is searched by its rarest. Contributions are added as whole numbers of
/// 2⁻³⁰, because the sum of floats depends on the order in which the plan meets them. $3 are the terms,
/// $4 the limit.
static KEYWORD: LazyLock<String> = LazyLock::new(|| {
    let (k1, b) = (K1, B);
    format!(
        "\
    WITH mine AS MATERIALIZED ( \
        SELECT id, chunk_count, term_count FROM audiences \
        WHERE organization = $1 AND readers && $2 AND chunk_count > 0 \
    ), size AS MATERIALIZED ( \
        SELECT sum(chunk_count)::float8 AS chunks, sum(term_count)::float8 / sum(chunk_count)::float8 AS average \
        FROM mine \
    ), found AS MATERIALIZED ( \
        SELECT term, chunk, count, length FROM postings \
        WHERE audience = ANY (ARRAY(SELECT id FROM mine)) AND term = ANY ($3) \
    ), weighted AS MATERIALIZED ( \
        SELECT term, ln(1 + (chunks - df + 0.5) / (df + 0.5)) AS idf \
        FROM (SELECT term, count(*)::float8 AS df FROM found GROUP BY term) AS held CROSS JOIN size \
        ORDER BY df, term LIMIT {MOST_TERMS} \
    ), scored AS ( \
        SELECT chunk, (sum(round(1073741824 * idf * count * ({k1} + 1) \
            / (count + {k1} * (1 - {b} + {b} * length / average)))::bigint)::float8 / 1073741824)::real AS score \
        FROM found JOIN weighted USING (term) CROSS JOIN size GROUP BY chunk \
    ), best AS ( \
        SELECT chunk, score FROM scored ORDER BY score DESC FETCH FIRST ($4) ROWS WITH TIES \
    ) \
    SELECT c.document, c.ordinal, best.score FROM best JOIN chunks c ON c.id = best.chunk \
    ORDER BY best.score DESC, c.document, c.ordinal LIMIT $4"
    )
});

/// The dimensions that have an approximate index.
const INDEXED: [usize; 6] = [256, 384, 512, 768, 1024, 1536];

/// An approximate search is worth its while when the reader may see one in so many of all vectors: under
/// a narrower filter it would walk past too many that he may not see.
const SHARE: i64 = 10;

/// The nearest chunks by inner product: exactly, or by the approximate index where the reader may see
/// more than $6 chunks and enough of all. Of the two branches one has a condition that is false from the
/// start and is not run. $3 is the vector, $4 the limit, $5 its dimension.
fn dense_sql(dimension: usize) -> String {
    let (is_near, near) = match INDEXED.contains(&dimension) {
        false => ("false".to_owned(), String::new()),
        true => (
            format!(
                "n > $6 AND n * {SHARE} >= (SELECT reltuples FROM pg_class \
                 WHERE oid = 'smooth_operator.vectors'::regclass)"
            ),
            format!(
                "UNION ALL (SELECT chunk, (- (embedding <#> $3::real[]::vector))::real FROM vectors \
                 WHERE audience = ANY (ARRAY(SELECT id FROM mine)) AND dimension = {dimension} \
                     AND (SELECT is_near FROM way) \
                 ORDER BY embedding::vector({dimension}) <#> $3::real[]::vector({dimension}) LIMIT $4)"
            ),
        ),
    };
    format!(
        "WITH mine AS MATERIALIZED ( \
             SELECT id, chunk_count FROM audiences \
             WHERE organization = $1 AND readers && $2 AND chunk_count > 0 \
         ), size AS MATERIALIZED ( \
             SELECT coalesce(sum(chunk_count), 0) AS n FROM mine \
         ), way AS MATERIALIZED ( \
             SELECT {is_near} AS is_near FROM size, (SELECT $6::bigint) AS limits \
         ), best (chunk, score) AS ( \
             (SELECT chunk, (- (embedding <#> $3::real[]::vector))::real AS score FROM vectors \
              WHERE audience = ANY (ARRAY(SELECT id FROM mine)) AND dimension = $5 \
                  AND NOT (SELECT is_near FROM way) \
              ORDER BY score DESC FETCH FIRST ($4) ROWS WITH TIES) \
             {near} \
         ) \
         SELECT c.document, c.ordinal, best.score, (SELECT is_near FROM way) \
         FROM best JOIN chunks c ON c.id = best.chunk \
         ORDER BY best.score DESC, c.document, c.ordinal LIMIT $4"
    )
}

/// The best chunks for the terms.
pub(super) async fn keyword(
    database: &Database,
    access: &Access,
    terms: &[i64],
    limit: usize,
) -> Result<Vec<Hit>> {
    if limit == 0 || terms.is_empty() {
        return Ok(Vec::new());
    }
    let statement = || read_by(&KEYWORD, access).bind(terms).bind(text::counted(limit));
    let rows = database.rows(Who::Organization(&access.organization), Work::Search, statement).await?;
    rows.iter().map(|row| hit(&mut Columns::of(row)).map_err(Failure::into_error)).collect()
}

/// The chunks nearest to the vector.
pub(super) async fn dense(
    database: &Database,
    access: &Access,
    vector: &[f32],
    limit: usize,
) -> Result<Vec<Hit>> {
    if limit == 0 || vector.is_empty() || !vector.iter().all(|x| x.is_finite()) {
        return Ok(Vec::new());
    }
    let sql = dense_sql(vector.len());
    let search = async |exact_up_to: i64| {
        let statement = || {
            read_by(&sql, access)
                .bind(vector)
                .bind(text::counted(limit))
                .bind(i32::try_from(vector.len()).unwrap_or(i32::MAX))
                .bind(exact_up_to)
        };
        let rows = database.rows(Who::Organization(&access.organization), Work::Search, statement).await?;
        rows.iter().map(found).collect::<Result<Vec<_>, _>>().map_err(Failure::into_error)
    };
    let mut hits = search(database.exact_up_to).await?;
    // The approximate index gave up before it had enough that the reader may see.
    let may_be_near = INDEXED.contains(&vector.len());
    if may_be_near && hits.len() < limit && hits.first().is_none_or(|(_, is_near)| *is_near) {
        hits = search(i64::MAX).await?;
    }
    Ok(hits.into_iter().map(|(hit, _)| hit).collect())
}

fn hit(columns: &mut Columns<'_>) -> Result<Hit, Failure> {
    let chunk = ChunkRef { document: columns.id()?, ordinal: columns.count()? };
    Ok(Hit { chunk, score: columns.value()? })
}

/// A hit, and whether the approximate index found it.
fn found(row: &PgRow) -> Result<(Hit, bool), Failure> {
    let mut columns = Columns::of(row);
    Ok((hit(&mut columns)?, columns.value()?))
}
