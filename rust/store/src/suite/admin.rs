//! What is promised of admin records.

use super::records::{HOSTILE, admin_record, scope};
use crate::StorageAdapter;

pub(super) async fn an_admin_record_is_replaced_listed_and_removed(store: StorageAdapter) {
    let (o, other) = (scope("admin", "").organization, scope("admin elsewhere", "").organization);
    let mut made = admin_record(&o, "cursor", "a'\0🙂");
    store.admin.put(made.clone()).await.unwrap();
    store.admin.put(admin_record(&other, "cursor", &made.id)).await.unwrap();
    made.value = HOSTILE.to_vec().into();
    store.admin.put(made.clone()).await.unwrap();
    assert_eq!(store.admin.get(&o, "cursor", &made.id).await.unwrap(), Some(made.clone()));
    assert_eq!(store.admin.get(&o, "run", &made.id).await.unwrap(), None);

    for id in ["é", "b", "Z", "c"] {
        store.admin.put(admin_record(&o, "run", id)).await.unwrap();
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.admin.list(&o, "run", after.as_deref(), 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        seen.extend(page.into_iter().map(|record| record.id));
    }
    assert_eq!(seen, ["Z", "b", "c", "é"], "by bytes");

    assert!(!store.admin.delete(&o, "run", &made.id).await.unwrap());
    assert!(store.admin.delete(&o, "cursor", &made.id).await.unwrap());
    assert!(!store.admin.delete(&o, "cursor", &made.id).await.unwrap());
    assert_eq!(store.admin.get(&o, "cursor", &made.id).await.unwrap(), None);
    assert!(store.admin.get(&other, "cursor", &made.id).await.unwrap().is_some());
}
