"""Secrets as they stand in messages of failed jobs, a line a kind: what it is called, the text, and the parts that must
be seen nowhere. All are made up.

No part is a word that stands anywhere else, so that a search for it finds the secret alone. They are put together from
pieces, so that no scanner of this repository takes them for real ones.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Planted:
    """A kind of secret: ``text`` holds all of ``parts``."""

    kind: str
    text: str
    parts: tuple[str, ...]


def _one(kind: str, text: str, *parts: str) -> Planted:
    assert parts
    assert all(part in text for part in parts), kind
    return Planted(kind, text, parts)


_JWT = ("eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiJzaG9wLTcifQ", "Qx7v-Zk29_aPq1")
_BODY = ("MIIEpAIBAAKCAQEAu7planted1", "Zk9dQx7vT2planted2Rr4Ww", "Yy8planted3")
_PEM = "\n".join(("-----BEGIN RSA PRIVATE KEY-----", *_BODY, "-----END RSA PRIVATE KEY-----"))
_HEX = "7f3a9c" + "0b1d2e4f" * 4

PLANTED = (
    # -- addresses
    _one("user and password in an address", "GET https://shop:Hund3-url@api.example.com/v1 failed", "Hund3-url"),
    _one("password with an @ in it", "cannot open sftp://shop:Pa@Hund4@ftp.example.com/in", "Hund4"),
    _one("password with a / in it", "cannot open ftp://shop:Hund5/x7@ftp.example.com/in", "Hund5/x7"),
    _one("percent-encoded password", "https://shop:Hund%4061%21q@api.example.com/ gave 401", "Hund%4061"),
    _one("token alone in an address", "fatal: https://" + "ghp_" + "Q7" * 18 + "@github.example.com/x", "Q7Q7Q7"),
    _one("encoded address", "next=https%3A%2F%2Fshop%3AHund62%40api.example.com%2Fx", "Hund62"),
    _one("address in JSON", r'{"url": "https:\/\/shop:Hund63@api.example.com\/v1"}', "Hund63"),
    _one("no scheme", "ssh shop:Hund64!@host.example.com refused", "Hund64"),
    _one("token in a query", "GET https://api.example.com/x?page=2&token=Hund65abc gave 401", "Hund65abc"),
    _one("encoded query", "to=https%3A%2F%2Fapi.example.com%2F%3Ftoken%3DHund66abc%26p%3D1", "Hund66abc"),
    _one("SAS", "https://acme.blob.example.com/in?sv=2022&sp=r&sig=Hund67abc%2Bde%3D", "Hund67abc"),
    _one("presigned", "https://s3.example.com/in?X-Amz-Credential=ASIAHUND68&X-Amz-Signature=" + _HEX, _HEX, "HUND68"),
    _one("code of a login", "redirected to https://app.example.com/cb?state=1&code=Hund69xyz", "Hund69xyz"),
    _one("form body", "body: grant_type=password&username=shop&password=Hund,70&scope=all", "Hund,70"),
    # -- headers
    _one("Bearer", "sent Authorization: Bearer Hund71.abcdefgh to it", "Hund71"),
    _one("Bearer alone", "refused bearer Hund72abcdefgh", "Hund72"),
    _one("Basic", "-H 'Authorization: Basic c2hvcDpIdW5kNzM='", "c2hvcDpIdW5kNzM"),
    _one("Basic without its header", "401 for c2hvcDpIdW5kNzQtc2VjcmV0 at the shop", "c2hvcDpIdW5kNzQtc2VjcmV0"),
    _one("Zoho", "Authorization: Zoho-oauthtoken 1000.hund75.abc", "hund75"),
    _one("Digest", 'Authorization: Digest username="shop", nonce="Hund76n", response="Hund76r"', "Hund76n", "Hund76r"),
    _one("headers of a client", "{'Authorization': 'Hund77abc', 'Accept': '*/*'}", "Hund77abc"),
    _one("key in a header", "X-Shopify-Access-Token: Hund78abc\nAccept: */*", "Hund78abc"),
    _one("cookies", "Cookie: sid=Hund79; theme=Hund79b", "Hund79"),
    _one("cookies of a client", "cookies={'PHPSESSID': 'Hund80a', 'cart': 'Hund80b'}", "Hund80a", "Hund80b"),
    _one("JWT", f"token rejected: {'.'.join(_JWT)} is too old", *_JWT),
    # -- assignments
    _one("JSON", '{"user": "shop", "password": "Hund81 mit \\" Blank", "ok": false}', "Hund81", "Blank"),
    _one("JSON in a string", '"{\\"client_secret\\": \\"Hund82abc\\"}"', "Hund82abc"),
    _one("YAML", "db:\n  password: >-\n    Hund83abc\n  host: db", "Hund83abc"),
    _one("ini", "[shop]\nsecret_key = Hund84abc\n", "Hund84abc"),
    _one("environment", "SHOP_API_TOKEN=Hund85abc SHOP_URL=https://example.com", "Hund85abc"),
    _one("XML", "<login><password>Hund86abc</password></login>", "Hund86abc"),
    _one("XML attributes", '<add key="DbPassword" value="Hund87abc"/>', "Hund87abc"),
    _one("tuple", "params: [('api_key', 'Hund88abc'), ('page', '2')]", "Hund88abc"),
    _one("upper case", "PASSWORD: HUND89ABC", "HUND89ABC"),
    _one("no-break space", "password\u00a0:\u00a0Hund90abc", "Hund90abc"),
    _one("zero width", "pass\u200bword\u200b=\u200bHund91\u200babc", "Hund91"),
    _one("full width", "password\uff1aHund92abc", "Hund92abc"),
    _one("next line", "password:\n    Hund93abc\n", "Hund93abc"),
    _one("broken over lines", "access_token=Hund94abcdefghijklmnop\n  Hund94qrstuvw1\n", "Hund94abc", "Hund94qrs"),
    # -- sentences
    _one("sentence", "The password is swordfish95 there", "swordfish95"),
    _one("with", "logged in with password Hund96abc", "Hund96abc"),
    _one("German sentence", "Das Passwort lautet hundehuette97", "hundehuette97"),
    _one("Kennwort", "Kennwort: Hundeh\u00fctte98", "Hundeh\u00fctte98"),
    _one("Geheimnis", "Das Geheimnis ist \u201eHundeh\u00fctte99\u201c.", "Hundeh\u00fctte99"),
    _one("Zugangsdaten", "Zugangsdaten: shop / Hund100abc", "Hund100abc"),
    _one("API-Schl\u00fcssel", "Der API-Schl\u00fcssel lautet Hund101abcdef", "Hund101abcdef"),
    _one("Zugriffstoken", "Zugriffstoken = Hund102abc", "Hund102abc"),
    _one("PIN", "PIN: 481516", "481516"),
    _one("code by mail", "Ihr Best\u00e4tigungscode lautet 234269", "234269"),
    _one("code first", "571113 is your verification code", "571113"),
    # -- web-hooks
    _one("Slack", "https://hooks.slack.com/services/T0HUND103/B0HUND103/aHund103", "HUND103", "aHund103"),
    _one("Discord", "POST https://discord.com/api/webhooks/1234/Hund104-abc answered 404", "Hund104-abc"),
    _one("Teams", "https://acme.webhook.office.com/webhookb2/hund105@x/IncomingWebhook/hund105b/y", "hund105"),
    _one(
        "Power Automate",
        "https://prod-1.westeurope.logic.azure.com:443/workflows/hund106a/triggers/manual?sv=1.0&sig=Hund106b",
        "hund106a", "Hund106b",
    ),
    _one("web-hook", "POST https://n8n.example.com/webhook/hund107-4c56-8d78 answered 500", "hund107"),
    _one("Telegram", "https://api.telegram.org/bot123456:AAHund108abcdefghijklmnop/send", "Hund108"),
    # -- tokens that say what they are
    _one("AWS id", "InvalidAccessKeyId: AKIA" + "HUNDEHUETTE2X3Y4", "HUNDEHUETTE2X3Y4"),
    _one("AWS secret", "aws_secret_access_key = wJalr/HUND110+K7MDENG/bPxRfi", "HUND110", "bPxRfi"),
    _one("GitHub", "bad credentials " + "github_" + "pat_11HUND111_" + "a1" * 20, "HUND111"),
    _one("GitLab", "remote: " + "glpat" + "-Hund112abcdefghijkl", "Hund112"),
    _one("Slack token", "invalid_auth " + "xoxb" + "-113113113-Hund113abc", "Hund113"),
    _one("Stripe", "No such key: " + "sk_" + "live_Hund114abcdef", "Hund114"),
    _one("Google", "API key not valid: " + "AIza" + "SyHund115abcdefghijklmnopqrs", "Hund115"),
    _one("WooCommerce", "consumer " + "ck_" + _HEX + "ab rejected", _HEX),
    _one("Twilio", "account " + "SK" + "0123456789abcdef" * 2 + " refused", "0123456789abcdef"),
    _one("SendGrid", "SG" + ".Hund118abcdefghij.Hund118klmnopqrst refused", "Hund118"),
    _one("npm", "npm_" + "Hund119abcdefghijklmnopqrstuv is not valid", "Hund119"),
    _one("PyPI", "pypi" + "-AgEIcHlwHund120abcdef refused", "Hund120"),
    _one("Shopify", "shpat" + "_" + "121abcdef0" * 3 + " refused", "121abcdef0"),
    _one("no name at all", "value aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1 refused", "aB3dE5gH7"),
    # -- commands and connections
    _one("mysql", "mysqldump -h db -u shop -pHund122abc orders: exit 2", "Hund122abc"),
    _one("list of arguments", "Command '['mysql', '-u', 'shop', '-pHund123abc']' returned 1", "Hund123abc"),
    _one("sqlcmd", "sqlcmd -S db -U sa -P Hund124abc -Q 'select 1'", "Hund124abc"),
    _one("PGPASSWORD", "PGPASSWORD=Hund125abc pg_dump orders", "Hund125abc"),
    _one("curl", "curl -s -u shop:Hund126abc https://api.example.com", "Hund126abc"),
    _one("sshpass", "sshpass -p 'Hund127 abc' ssh shop@host", "Hund127", "abc'"),
    _one("long option", "backup --password Hund128abc --host db", "Hund128abc"),
    _one("ADO", "Server=db;Uid=sa;Pwd=Hund129abc;Encrypt=no", "Hund129abc"),
    _one("JDBC", "jdbc:sqlserver://db;user=sa;password={Hund130;x}", "Hund130"),
    _one("Azure", "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=Hund131abc==;", "Hund131abc"),
    _one("AMQP", "amqp://shop:Hund132abc@mq.example.com:5672/v", "Hund132abc"),
    _one("redis", "redis://:Hund133abc@cache.example.com:6379/0", "Hund133abc"),
    _one("SQL", "ALTER USER shop IDENTIFIED BY 'Hund134abc'", "Hund134abc"),
    _one("Oracle", "sqlplus shop/Hund135abc@ORCL", "Hund135abc"),
    # -- private keys
    _one("PEM", f"cannot load {_PEM} from the file", *_BODY),
    _one("PEM in one line", "key: " + _PEM.replace("\n", "\\n"), *_BODY),
    _one("PEM that was cut", "cannot load " + _PEM.partition("-----END")[0], *_BODY),
    _one("PEM without its beginning", "... " + _PEM.partition("KEY-----\n")[2] + " is bad", *_BODY),
    _one("OpenSSH", _PEM.replace("RSA", "OPENSSH"), *_BODY),
    _one("PGP", _PEM.replace("RSA PRIVATE KEY", "PGP PRIVATE KEY BLOCK"), *_BODY),
)  # fmt: skip
