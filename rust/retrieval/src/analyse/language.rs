//! The languages that words can be stemmed in, and their function words.

use rust_stemmers::Algorithm;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

macro_rules! languages {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// The language of documents and questions; it decides how words are cut to their stems.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum Language {
            /// Words as they are, in lower case.
            None,
            $(
                #[doc = concat!("`", $text, "`, stemmed by the Snowball algorithm of the language.")]
                $name,
            )*
            /// The default.
            #[default]
            English,
        }

        impl Language {
            /// The name as it is written in settings.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    Self::None => "none",
                    Self::English => "english",
                    $(Self::$name => $text,)*
                }
            }

            pub(super) fn algorithm(self) -> Option<Algorithm> {
                match self {
                    Self::None => None,
                    Self::English => Some(Algorithm::English),
                    $(Self::$name => Some(Algorithm::$name),)*
                }
            }
        }

        impl FromStr for Language {
            type Err = UnknownLanguage;

            fn from_str(text: &str) -> Result<Self, UnknownLanguage> {
                match text {
                    "none" => Ok(Self::None),
                    "english" => Ok(Self::English),
                    $($text => Ok(Self::$name),)*
                    _ => Err(UnknownLanguage(text.to_owned())),
                }
            }
        }
    };
}

languages! {
    Arabic = "arabic", Danish = "danish", Dutch = "dutch", Finnish = "finnish", French = "french",
    German = "german", Greek = "greek", Hungarian = "hungarian", Italian = "italian",
    Norwegian = "norwegian", Portuguese = "portuguese", Romanian = "romanian", Russian = "russian",
    Spanish = "spanish", Swedish = "swedish", Tamil = "tamil", Turkish = "turkish",
}

impl fmt::Display for Language {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// A language that no stemmer is known for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no known language; write one such as \"english\" or \"german\", or \"none\"")]
pub struct UnknownLanguage(String);

const ENGLISH: &str = "a about above after again all also am an and any anyone are aren't as at be \
    because been before being below between both but by can can't cannot could couldn't did didn't do \
    does doesn't doing don't each else ever few for from further get gets getting give given go goes \
    going got had has hasn't have haven't having he her here hers him his how however i i'd i'll i'm \
    i've if in into is isn't it it's its itself just let let's like me might more most much must my \
    myself no nor not of off on once one only or other others our ours out over own please s same she \
    should shouldn't so some somebody someone something such t tell than that that's the their theirs \
    them then there there's these they they're this those through to too under until up upon us use \
    used uses using very was wasn't way we were weren't what what's when where where's which while who \
    whom whose why will with without won't would wouldn't you you'd you'll you're you've your yours";
const GERMAN: &str = "aber als am an auch auf aus bei bin bis da damit das dass dein deine dem den der \
    des die dies diese dieser dieses doch du durch ein eine einem einen einer eines er es euch für \
    haben hat hatte ich ihr ihre im in ist ja kann kein keine man mein meine mit muss nach nicht noch \
    nun nur oder ob sein seine sich sie sind so soll um und uns unser unter vom von vor wann war was \
    wenn wer werden wie wir wird wo wurde zu zum zur über";
const FRENCH: &str = "a ai as au aux avec c ce ces cette d dans de des du elle elles en es est et eu il \
    ils j je l la le les leur leurs lui m ma mais me mes moi mon n ne nos notre nous on ont ou où par \
    pas pour qu quand que quel quelle qui s sa se ses son sont sur t ta te tes toi ton tu un une vos \
    votre vous y à été être comment combien c'est est-ce qu'est";
const SPANISH: &str = "a al algo como con cual cuando cómo cuál cuándo de del desde donde dónde el ella \
    ellos en entre era es esa ese eso esta este esto está han hay he la las le les lo los me mi mis muy \
    más no nos o para pero por porque puedo que qué quién se ser si sin sobre son su sus sí también te \
    tengo tiene tu tus un una uno unos y ya yo";
const ITALIAN: &str = "a ad ai al alla alle anche c che chi ci come con cosa cui d da dal dalla degli \
    dei del della delle di dove e ed gli ha ho i il in io l la le lei lo loro lui ma mi mio ne nei nel \
    nella noi non o per perché più può quale quando quanto quello questa questo se si sono su sua suo \
    sul sulla ti tra tu un una uno vi voi è";
const PORTUGUESE: &str = "a ao aos as até com como da das de dela dele do dos e ela ele em entre era \
    essa esse esta este eu foi isso isto já lhe mais mas me meu minha muito na nas no nos não nós o os \
    ou para pela pelo por porque posso qual quando que quem se sem ser seu sua são só também te tem \
    tenho um uma você à às é onde";
const DUTCH: &str = "aan al als bij dat de den der deze die dit door een en er geen had heb hebben heeft \
    het hij hoe hun ik in is ja je kan maar me met mijn moet na naar niet nog nu of om onder ons ook op \
    over te tot u uit van veel voor waar wanneer was wat we wel wie wij worden wordt zal ze zich zij \
    zijn zo zou";

impl Language {
    /// Words that say nothing about what a text is about; no list for languages that have none here.
    pub(super) fn function_words(self) -> impl Iterator<Item = &'static str> {
        let list = match self {
            Self::English => ENGLISH,
            Self::German => GERMAN,
            Self::French => FRENCH,
            Self::Spanish => SPANISH,
            Self::Italian => ITALIAN,
            Self::Portuguese => PORTUGUESE,
            Self::Dutch => DUTCH,
            _ => "",
        };
        list.split_ascii_whitespace()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_an_unknown_one_says_what_to_write() {
        for language in [Language::None, Language::English, Language::German, Language::Turkish] {
            assert_eq!(language.as_str().parse(), Ok(language));
        }
        let error = "klingon".parse::<Language>().unwrap_err().to_string();
        assert!(error.contains("klingon") && error.contains("none"), "{error}");
    }
}
