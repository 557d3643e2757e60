//! A method of the client for every action that is answered by data of its own.
use super::super::model::Reply;
use super::super::printer::{Input, Page};
use super::text::{deprecation, doc, module_doc};

/// The file of methods, which stands in the client's crate: only there can a client be given methods.
pub(super) fn print(input: &Input<'_>) -> String {
    let mut page = Page::new("    ");
    module_doc(&mut page, "The actions that are answered by data of their own, as methods.");
    page.line("use crate::{Client, Error};").line("use smooai_smooth_operator_protocol::*;").gap();
    page.block("impl Client {", "}", |page| {
        let mut is_first = true;
        for (index, action) in input.model.actions.iter().enumerate() {
            let Reply::Data(reply) = action.reply else { continue };
            if !std::mem::take(&mut is_first) {
                page.gap();
            }
            let def = input.model.ty(action.params);
            doc(page, &def.doc, || format!("The action `{}`.", action.name));
            page.line("///").line("/// # Errors").line("/// Why there is no answer.");
            deprecation(page, def.deprecated);
            let (method, params) = (input.names.method(index), input.names.ty(action.params));
            let reply = input.names.ty(reply);
            let head = format!("pub async fn {method}(&self, params: {params}) -> Result<{reply}, Error> {{");
            let body = |page: &mut Page| {
                page.line("self.call(params).await");
            };
            if page.column() + head.len() <= super::text::WIDTH {
                page.block(head, "}", body);
            } else {
                page.line(format!("pub async fn {method}(")).indented(|page| {
                    page.line("&self,").line(format!("params: {params},"));
                });
                page.block(format!(") -> Result<{reply}, Error> {{"), "}", body);
            }
        }
    });
    page.finish()
}
