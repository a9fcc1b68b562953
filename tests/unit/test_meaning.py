"""What words mean: a change only where somebody says so, and nothing beside it speaks against it (J8)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caseproof.channels.inbound.meaning import (
    _SUBJECTS,
    Meaning,
    _words,
    answers_something_else,
    meaning_of,
    telling_sentences,
)
from caseproof.channels.inbound.own_words import CUT
from caseproof.domain.vocabulary import CAUSES

CHANGED = (
    "Done.",
    "done",
    "Done!",
    "All done, thanks.",
    "It's done.",
    "Yes, done.",
    "Done, you can start it again.",
    "Done. Best regards, Max",
    "Hello,\n\nwe renewed the token yesterday.\n\nBest regards\nMax Muster\nShop GmbH",
    "We renewed the token yesterday",
    "I have given the app its permission again",
    "I have given the app its permission again. Please try again.",
    "We gave the app its permission again on Friday.",
    "We have updated the API key in the portal.",
    "The token has been renewed.",
    "The access was re-enabled this morning.",
    "Access granted again.",
    "New API key created and saved.",
    "I logged in and renewed the token.",
    "Our IT has renewed the certificate.",
    "We did what you asked for.",
    "we did as you asked",
    "I've changed the password and entered the new one.",
    "We have fixed the problem.",
    "The problem is fixed now.",
    "We have reconnected the account, it should work now.",
    "Sorry for the delay. The permission is granted again.",
    "I confirm that we renewed the token.",
    "Hiermit bestätige ich, dass wir den Token erneuert haben.",
    "I have done it.",
    "I did it this morning.",
    "Just renewed the token.",
    "Completed.",
    "Erledigt",
    "Erledigt.",
    "Ist erledigt!",
    "Alles erledigt, danke.",
    "Das ist erledigt.",
    "Wurde heute erledigt.",
    "Hallo,\n\nerledigt.\n\nViele Grüße\nMax",
    "Habe den Token am Freitag erneuert",
    "Wir haben den Zugang neu freigegeben",
    "Ich habe der App die Berechtigung wieder erteilt.",
    "Der Token wurde heute Morgen erneuert.",
    "Den Token haben wir gestern erneuert.",
    "Gestern haben wir den API-Schlüssel ausgetauscht.",
    "Die Zugangsdaten sind aktualisiert.",
    "Token erneuert.",
    "Zugang wieder freigegeben, Sie können wieder starten.",
    "Wir haben das Passwort geändert und die neuen Daten hinterlegt.",
    "Wir haben alles erledigt.",
    "Haben wir gemacht.",
    "Die App hat die Berechtigung wieder, wir haben sie heute erteilt.",
    "Wir haben die Änderung vorgenommen. Bei Fragen melden Sie sich gerne.",
    "Ja, erledigt.",
    "Guten Tag,\nder Zugriff wurde wieder freigeschaltet.\nMit freundlichen Grüßen",
    "Wir haben den Fehler behoben.",
    "We have made the change. If you have any questions, please let me know.",
    "I have made the change in the seller portal.",
    "The permission has been granted again.",
    "We have re-authorised the app.",
    "We reauthorized your app today.",
    "The webhook is active again, we enabled it today.",
    "We've just refreshed the access token.",
    "Hi team, the API credentials were updated on Monday. Regards",
    "Wir haben die Schritte durchgeführt.",
    "Ich habe es erledigt.",
    "Habe ich gemacht.",
    "Erledigt, bitte erneut versuchen.",
    "Der neue Schlüssel ist eingetragen.",
    "Wir haben den neuen Schlüssel eingetragen, jetzt sollte es wieder funktionieren.",
    "Done.\n\nThis e-mail is confidential and may be legally privileged. "
    "If you are not the intended recipient, please delete it and do not use it.",
    "Erledigt.\n\nDiese E-Mail enthält vertrauliche Informationen. "
    "Wenn Sie nicht der richtige Adressat sind, löschen Sie bitte diese Mail.",
    "Done\n\nMax Muster\nOwner | Shop Ltd\nTel. +49 30 1234567\nwww.shop.example",
    "The steps are done.",
    "I completed all steps.",
    "We carried out the change today.",
    "We have carried out all the steps in your mail.",
    "I granted the permissions again.",
    "We have now given the app access again.",
    "Change made.",
    "The change is made.",
)

NO_CHANGE = (
    "not done yet",
    "noch nicht erledigt",
    "will do tomorrow",
    "mache ich morgen",
    "is it done?",
    "is it done",
    "I think it should be done",
    "if I have done it",
    "tried but got an error",
    "done, but it still fails",
    "it worked before",
    "Thanks!",
    "OK",
    "yes",
    "ja",
    "Danke, ist angekommen",
    "Well done!",
    "Consider it done.",
    "Easier said than done.",
    "It will be done.",
    "I'd have done it",
    "Done? ",
    "Done with you.",
    "I am done with this.",
    "We renewed the token for another customer.",
    "I asked our IT to renew the token.",
    "You renewed the token",
    "You wrote that\nwe renewed the token",
    "We could have renewed the token",
    "I have forwarded it to our IT.",
    "I gave it to our IT.",
    "We changed our mind.",
    "Let me know when it is done.",
    "Has the token been renewed",
    "Once done, we inform you.",
    "Should be done.",
    "It should work now.",
    "We renewed the token last year.",
    "The token is renewed every 90 days.",
    "We have not renewed the token.",
    "We haven't renewed it",
    "We have renewed the token, but the import still fails.",
    "We renewed the token. How do we restart it?",
    "We revoked the permission.",
    "Done. We revoked the access.",
    "Hat sich erledigt.",
    "Wird erledigt.",
    "Wird gemacht",
    "Geht klar",
    "Machen wir",
    "Bitte bestätigen Sie, dass der Token erneuert wurde.",
    "Wir haben den Token noch nicht erneuert.",
    "Wir haben den Token erneuert, aber es geht nicht.",
    "Ich glaube, wir haben den Token erneuert.",
    "Haben Sie den Token erneuert",
    "Wenn wir den Token erneuert haben, melden wir uns.",
    "Sobald erledigt, melde ich mich.",
    "Ist das erledigt?",
    "Wir haben es unserer IT weitergeleitet.",
    "Wir haben das beauftragt.",
    "Die Berechtigung haben wir entzogen.",
    "Ich habe ein Ticket erstellt.",
    "I created a ticket for the token.",
    "Yeah right, done.",
    "Almost done.",
    "Half done",
    "What's done is done",
    "Nothing was done",
    "Done - not!",
    "We've done all we can.",
    "I did my best with the token",
    "I have to get it done",
    "We want it done",
    "get it done",
    "Getting it done",
    "Everything done except the token",
    "Imagine, I renewed the token",
    "Please remove the integration, we no longer sell there",
    "The token was created in 2024.",
    "I read your mail",
    "I have read this.",
    "We opened it.",
    "We received it.",
    "noted",
    "On it",
    "Received, thanks",
    "ist notiert",
    "Verstanden.",
    "Alles klar",
    "Passt.",
    "n\u200bot done",
    "D\u043ene",
    "I did it wrong",
    "I have changed my account manager about it, ask them",
    "Fait.",
    "Niet done",
    "Renew the token.",
    "Reset the token.",
    "please renew the token",
    "Renewed token needed.",
    "We renewed the contract.",
    "Renewed interest in the app?",
    "fertig machen wir morgen",
    "Erledigt habe ich es nicht",
    "The token renewed itself",
    "No changes made.",
    "Our request has been resolved",
    "Your request has been completed",
    "Ticket resolved",
    "Your ticket has been resolved.",
    "see below",
    "Done, see below.",
    "Done (not really)",
    "We renewed the token and please remove the integration",
    "I gave up on the token",
    "The change was made by you.",
    "It's done by the marketplace.",
    "We have done nothing",
    "We undid the change",
    "They renewed the token.",
    "He has renewed it",
    "The marketplace has renewed the token",
    "We have not yet done it, but the token was renewed.",
    "I have done the dishes",
    "Job done? no.",
    "We changed the name of our shop",
    "My colleague will do it, he has done it before.",
    "The access is granted only for orders.",
    "Permission granted. Not!",
    "We gave you permission to call us.",
    "I have added you to our list",
    "Token updated automatically every hour",
    "Done, I guess",
    "Done - I hope",
    "done???",
    "Done :-/ no idea if it works",
    "I would say done",
    "Erledigt, glaube ich",
    "Erledigt?",
    "Erledigt - hoffentlich",
    "Als erledigt markiert",
    "Bitte als erledigt betrachten",
    "Wir haben den Token erneuert. Der Import schlägt fehl.",
    "Der Token ist erneuert, die Jobs laufen nicht.",
    "Wir hätten den Token erneuert",
    "Wir haben den Zugang freigegeben bekommen sollen",
    "Wir haben versucht den Zugang freizugeben",
    "Haben wir das nicht schon gemacht",
    "Habe ich gemacht?",
    "Ich habe das erledigt, oder?",
    "Erledigt Ihr das",
    "Erledigt ihr das bitte.",
    "Wer hat das erledigt",
    "Wir haben den falschen Token erneuert",
    "Done it myself? No way.",
    "The app has been given permission by the previous owner",
    "We renewed the token in the test system",
    "The token was renewed and expired again",
    "Token renewed, same error",
    "Token renewed. Still 401.",
    "renewed the token, no effect",
    "We renewed the token - nothing changed.",
    "It has been resolved to do it on Monday",
    "Our team has decided to do it",
    "I have completed the form",
    "I have completed the survey",
    "We have completed step 1",
    "I updated my phone",
    "It's all done wrong",
    "everything was done in vain",
    "Deal done.",
    "All set for Monday",
    "done by friday",
    "Done by Friday.",
    "Will be done by Friday.",
    "I'll consider this done once you confirm",
    "Danke, wir haben Ihre Nachricht erhalten und leiten diese weiter.",
    "Ihr Anliegen wurde erledigt.",
    "Ihre Anfrage wurde abgeschlossen",
    "Vorgang abgeschlossen",
    "We've got it done before, why again",
    "The integration was installed by the agency, they changed something.",
    "We have changed nothing, the integration has been changed by you.",
    "I have renewed my complaint about the integration",
    "We have solved the riddle of the missing access",
    "We connected the wrong account",
    "I changed the password so that you have no access any more",
    "We changed the password because you were hacked",
    "We have changed the API key to lock you out.",
    "I set the integration to inactive",
    "We switched the integration to another provider",
    "We have switched to another app",
    "We have turned the app down",
    "We have taken the app offline",
    "Wir haben die App offline genommen",
    "Wir haben die Berechtigung auf Lesen geändert, damit Sie keinen Zugriff haben",
    "Ich habe den Zugang zurückgesetzt und gesperrt",
    "We created an account with your competitor",
    "I opened the app",
    "I opened the link",
    "I have entered the office",
    "We have added the change to the roadmap",
    "I have accepted your apology for the access problem",
    "I have paid the invoice for the app",
    "We made the decision to change the access",
    "We have made a change request",
    "We have set a reminder to renew the token",
    "I made a note to renew the token",
    "We did look at the token",
    "I did check the access",
    "Wir haben einen Termin für die Änderung gesetzt",
    "Wir haben die Frist für die Änderung verlängert",
    "Wir haben uns eine Erinnerung für den Token gesetzt",
    "Wir haben Ihre Änderung zur Kenntnis genommen",
    "Wir haben Rechte",
    "Alles gemacht außer dem Token",
    "Es ist alles gemacht worden, was möglich war",
    "Ich habe alles gemacht was ich konnte",
    "Wir haben alles getan was in unserer Macht steht",
    "We have done everything in our power",
)

OTHERS = (
    ("please remove the integration, we no longer sell there", Meaning.REMOVE),
    ("Bitte entfernen, wir verkaufen dort nicht mehr", Meaning.REMOVE),
    ("Please delete our account.", Meaning.REMOVE),
    ("Please remove it, we don't sell there any more.", Meaning.REMOVE),
    ("Bitte löschen Sie die Integration, sie wird nicht mehr benötigt.", Meaning.REMOVE),
    ("We no longer sell on that marketplace. Please remove us.", Meaning.REMOVE),
    ("Wir verkaufen dort nicht mehr, bitte die Anbindung entfernen.", Meaning.REMOVE),
    ("not us", Meaning.NOT_THEIRS),
    ("wrong address", Meaning.NOT_THEIRS),
    ("falscher Empfänger", Meaning.NOT_THEIRS),
    ("how do I renew the token?", Meaning.QUESTION),
    ("can you call me", Meaning.QUESTION),
    ("Können Sie mich anrufen", Meaning.QUESTION),
    ("should we remove it?", Meaning.QUESTION),
    ("not done yet", Meaning.NOT_YET),
    ("noch nicht erledigt", Meaning.NOT_YET),
    ("will do tomorrow", Meaning.NOT_YET),
    ("mache ich morgen", Meaning.NOT_YET),
    ("tried but got an error", Meaning.NOT_YET),
    ("yes", Meaning.UNCLEAR),
    ("ja", Meaning.UNCLEAR),
    ("Thanks!", Meaning.UNCLEAR),
    ("Danke, ist angekommen", Meaning.UNCLEAR),
    ("", Meaning.UNCLEAR),
)

NO_REMOVAL = (
    "Please do not remove the integration",
    "remove the stop please",
    "If it fails again, remove the integration",
    "please remove the old token",
    "Bitte die Sperre entfernen",
    "Please remove us from your mailing list",
    "We removed the integration",
    "we no longer sell there",
    "Don't delete our account!",
    "Please remove the error",
    "we might remove the integration",
    "Bitte nicht löschen",
    "We renewed the token, please remove the integration",
)


@pytest.mark.parametrize("words", CHANGED)
def test_a_clear_statement_of_a_change_is_recognised(words: str) -> None:
    assert meaning_of(words) is Meaning.CHANGED


@pytest.mark.parametrize("words", NO_CHANGE)
def test_what_is_no_clear_statement_is_never_taken_for_a_change(words: str) -> None:
    assert meaning_of(words) is not Meaning.CHANGED


@pytest.mark.parametrize(("words", "meaning"), OTHERS)
def test_other_words_are_told_apart(words: str, meaning: Meaning) -> None:
    assert meaning_of(words) is meaning


@pytest.mark.parametrize("words", NO_REMOVAL)
def test_a_removal_is_only_what_asks_for_it_without_a_condition(words: str) -> None:
    assert meaning_of(words) not in (Meaning.REMOVE, Meaning.CHANGED)


DOUBTS = (
    "Is that right?",
    "But it still fails.",
    "I think.",
    "Not all of it, though.",
    "We will finish it tomorrow.",
    "At least I hope so.",
    "Can you call me?",
    "It does not work.",
    "Aber es geht noch nicht.",
    "Glaube ich.",
    "Den Rest machen wir morgen.",
    "Können Sie mir helfen?",
    "Leider kommt ein Fehler.",
    "Stimmt das?",
    "Please remove the integration.",
    "If it fails, tell us.",
    "We got an error.",
    "Falls es hakt, rufen Sie an.",
)


@pytest.mark.parametrize("doubt", DOUBTS)
def test_a_change_with_a_doubt_beside_it_is_never_clear(doubt: str, full_run: bool) -> None:
    for number, clear in enumerate(CHANGED):
        ways = (f"{clear} {doubt}", f"{doubt}\n{clear}", f"{doubt} {clear}", f"{clear}\n{doubt}")
        for words in ways if full_run else ways[number % 2 :: 2]:
            assert meaning_of(words) is not Meaning.CHANGED, words


def test_words_that_were_cut_or_are_very_long_are_for_a_person() -> None:
    assert meaning_of(f"Done.\n{CUT}") is Meaning.UNCLEAR
    assert meaning_of("Done.\n" + "We did it. " * 500) is Meaning.UNCLEAR


def test_every_meaning_has_a_sentence_for_operators() -> None:
    assert len({meaning.sentence for meaning in Meaning}) == len(Meaning)


@given(st.text(max_size=300))
def test_any_words_have_a_meaning(words: str) -> None:
    assert meaning_of(words) in Meaning


@pytest.mark.parametrize(
    "piece",
    [
        "a ",
        "we ",
        "we renewed ",
        "x",
        "a,",
        "the token ",
        "habe ",
        "done ",
        "if you need ",
        "- ",
        " ",
        "(a@",
        "http://",
        "bitte ",
        "you can ",
        "wir haben den ",
    ],
)
@pytest.mark.timeout(120)
def test_nasty_words_take_no_time(piece: str) -> None:
    assert meaning_of(piece * (3900 // len(piece))) in Meaning


@pytest.mark.parametrize(
    ("reason", "answer"),
    [
        ("I changed the password a few days back.", "I changed the password and entered the new one."),
        ("We updated the settings.", "We updated the settings as you described."),
        ("We changed the export on Monday.", "We fixed the export on Monday."),
        ("The server was replaced.", "The server was replaced, please start the job again."),
        ("Status: Resolved", "Resolved."),
        ("Our IT writes: the token is renewed.", "Our IT has renewed the token."),
        ('"We renewed the token."', "We renewed the token."),
        ("Wir haben das Passwort geändert.", "Wir haben das neue Passwort eingetragen."),
        ("Wir haben den Token neulich erneuert.", "Wir haben den Token erneuert."),
        ("Vorgang abgeschlossen.", "Alle Schritte sind abgeschlossen."),
    ],
)
def test_a_reason_is_no_answer(reason: str, answer: str) -> None:
    """What was changed, or what a form says, may be why the job fails."""
    assert meaning_of(reason) is not Meaning.CHANGED
    assert meaning_of(answer) is Meaning.CHANGED


def test_the_sentences_that_sound_like_an_answer_are_told_as_they_were_written() -> None:
    words = "Hi!\nIt broke. We changed the Password on Monday; I think.\nStatus: Resolved\nBye"
    assert telling_sentences(words) == ("We changed the Password on Monday;",)
    assert telling_sentences("Not yet.") == telling_sentences("") == ()


@pytest.mark.parametrize(
    ("cause", "words", "is_else"),
    [
        ("expired_token", "We have renewed the token.", False),
        ("expired_token", "Done.", False),
        ("expired_token", "The change has been made as you asked.", False),
        ("expired_token", "Our web host has removed the block from the firewall. We have renewed the token.", False),
        ("expired_token", "Our web host has removed the block from the firewall this morning.", True),
        ("expired_token", "The wrong prices were corrected today, feed is rebuilt.", True),
        ("expired_token", "Wir haben die fehlende Datei wieder auf den Server gelegt.", True),
        ("expired_token", "We have reconnected the product feed as you asked, it should run again.", False),
        ("expired_token", "Wir haben den Feed wie beschrieben neu verbunden.", False),
        ("expired_token", "Wir haben die Verbindung des Artikelexports jetzt erneuert.", False),
        ("expired_token", "The integration has been reconnected on the server now.", False),
        ("expired_token", "The new one for the price feed is entered.", False),
        ("expired_token", "We have reconnected eBay.\nWe have also corrected the prices now.", False),
        (
            "expired_token",
            "We have renewed the key that is used for the product feed again, with the new\ntoken from the portal.",
            False,
        ),
        ("retailer_offboarded", "Our account is active again now.", False),
        ("retailer_offboarded", "We have reactivated the shop on the server again.", False),
        ("connection", "We have fixed the export on our FTP now.", False),
        ("connection", "We have restored the file share again.", False),
        ("connection", "We have restarted the export, you can start the job again.", False),
        ("retailer_offboarded", "Prices and stock are corrected in the system.", True),
        ("connection", "Firewall is open for your addresses now.", False),
        ("connection", "I have entered the new password in the plugin now.", False),
        ("connection", "The missing prices have been added.", True),
        ("feed", "Fixed the typo in the column name, feed is regenerated.", False),
        ("feed", "The file server has a new password, I entered it.", False),
        ("sync", "Our web host has removed the block from the firewall this morning.", False),
        ("unknown", "The wrong prices were corrected today.", False),
    ],
)
def test_who_tells_of_something_else_than_we_asked_for_does_not_answer_us(
    cause: str, words: str, is_else: bool
) -> None:
    assert bool(answers_something_else(words, cause)) is is_else


def test_what_is_asked_is_written_down_for_causes_that_there_are_and_what_stands_in_the_words() -> None:
    asked = _words()["asked"]
    assert asked.keys() <= set(CAUSES)
    assert {one for families in asked.values() for one in families} <= {*_SUBJECTS} <= _words()["rules"].keys()
