//! STS GetCallerIdentity: the cheap call by which many tools try their credentials first. Form in, XML out.
//!
//! Spec: docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html

use http::StatusCode;

use crate::receiver::Reply;

const CONTENT_TYPE: &str = "text/xml";

/// The `Action` of a form body, `Action=GetCallerIdentity&Version=2011-06-15`. Actions are plain words, so nothing is
/// percent-decoded.
pub fn form_action(body: &[u8]) -> Option<&str> {
    let body = std::str::from_utf8(body).ok()?;
    body.split('&').find_map(|pair| pair.trim().strip_prefix("Action="))
}

/// Who calls, by name.
pub fn caller_arn(account_id: &str) -> String {
    format!("arn:aws:iam::{account_id}:user/cupola")
}

/// The caller is the account's own user `cupola`, whoever signed.
pub fn caller_identity(account_id: &str, request_id: &str) -> Reply {
    let (account_id, request_id) = (escape(account_id), escape(request_id));
    let arn = caller_arn(&account_id);
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  \
           <GetCallerIdentityResult>\n    \
             <Arn>{arn}</Arn>\n    \
             <UserId>AIDACUPOLA0000000000</UserId>\n    \
             <Account>{account_id}</Account>\n  \
           </GetCallerIdentityResult>\n  \
           <ResponseMetadata>\n    \
             <RequestId>{request_id}</RequestId>\n  \
           </ResponseMetadata>\n\
         </GetCallerIdentityResponse>\n"
    );
    Reply::new(StatusCode::OK, CONTENT_TYPE, body).with_header("x-amzn-requestid", &request_id)
}

/// What a form with another action is told.
pub fn invalid_action(action: &str, request_id: &str) -> Reply {
    let (action, request_id) = (escape(&action.chars().take(128).collect::<String>()), escape(request_id));
    let body = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  \
           <Error>\n    \
             <Type>Sender</Type>\n    \
             <Code>InvalidAction</Code>\n    \
             <Message>Could not find operation {action}</Message>\n  \
           </Error>\n  \
           <RequestId>{request_id}</RequestId>\n\
         </ErrorResponse>\n"
    );
    Reply::new(StatusCode::BAD_REQUEST, CONTENT_TYPE, body).with_header("x-amzn-requestid", &request_id)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn the_caller_is_told_its_account() {
        let reply = caller_identity("000000000000", "id");
        expect![[r#"
            <GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
              <GetCallerIdentityResult>
                <Arn>arn:aws:iam::000000000000:user/cupola</Arn>
                <UserId>AIDACUPOLA0000000000</UserId>
                <Account>000000000000</Account>
              </GetCallerIdentityResult>
              <ResponseMetadata>
                <RequestId>id</RequestId>
              </ResponseMetadata>
            </GetCallerIdentityResponse>
        "#]]
        .assert_eq(&String::from_utf8(reply.body).unwrap());
    }

    #[test]
    fn actions_are_found_in_forms() {
        assert_eq!(form_action(b"Action=GetCallerIdentity&Version=2011-06-15"), Some("GetCallerIdentity"));
        assert_eq!(form_action(b"Version=2011-06-15&Action=AssumeRole"), Some("AssumeRole"));
        for body in [&b""[..], b"{}", b"\xff", b"NoAction=1"] {
            assert_eq!(form_action(body), None);
        }
        let body = invalid_action("<script>", "id").body;
        assert!(String::from_utf8(body).unwrap().contains("&lt;script&gt;"));
    }
}
