"""What the pages for recipients say, in five languages."""

from __future__ import annotations

from dataclasses import dataclass, fields

from notifications.shelves import channels


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The texts of one language. `{tenant}`, `{category}` and `{channel}` are filled in."""

    locale: str
    marketing: str
    operational: str
    transactional: str
    email: str
    sms: str
    unsubscribe: str
    ask: str
    done_title: str
    done: str
    required: str
    all_preferences: str
    preferences: str
    preferences_of: str
    save: str
    saved: str
    always: str
    gone_title: str
    gone: str

    def category(self, name: str) -> str:
        """How a category is called."""
        return str(getattr(self, name, name))

    def channel(self, name: str) -> str:
        """How a channel is called."""
        kind = channels.get(name)
        known = name in {field.name for field in fields(self)}
        return str(getattr(self, name)) if known else kind.label if kind else name


_ALL = (
    Words(
        locale="en",
        marketing="offers and news",
        operational="notices about the service",
        transactional="messages about what you do here, such as orders",
        email="e-mail",
        sms="text message",
        unsubscribe="Unsubscribe",
        ask="Do you want no more {category} from {tenant} by {channel}?",
        done_title="You are unsubscribed",
        done="{tenant} sends you no more {category} by {channel}.",
        required="These messages are needed for the service. {tenant} sends them to everybody.",
        all_preferences="Choose what you get",
        preferences="What you get",
        preferences_of="Choose what {tenant} may send you, and how.",
        save="Save",
        saved="Your choice is saved.",
        always="always",
        gone_title="This link is not valid",
        gone="It may have been cut off. Open it again from the message, or ask the sender.",
    ),
    Words(
        locale="de",
        marketing="Angebote und Neuigkeiten",
        operational="Hinweise zum Dienst",
        transactional="Nachrichten zu dem, was Sie hier tun, etwa Bestellungen",
        email="E-Mail",
        sms="SMS",
        unsubscribe="Abmelden",
        ask="Möchten Sie keine {category} mehr von {tenant} per {channel}?",
        done_title="Sie sind abgemeldet",
        done="{tenant} schickt Ihnen keine {category} mehr per {channel}.",
        required="Diese Nachrichten gehören zum Dienst. {tenant} schickt sie allen.",
        all_preferences="Auswählen, was Sie bekommen",
        preferences="Was Sie bekommen",
        preferences_of="Wählen Sie, was {tenant} Ihnen schicken darf, und wie.",
        save="Speichern",
        saved="Ihre Auswahl ist gespeichert.",
        always="immer",
        gone_title="Dieser Link ist nicht gültig",
        gone="Vielleicht ist er unvollständig. Öffnen Sie ihn noch einmal aus der Nachricht,"
        " oder fragen Sie den Absender.",
    ),
    Words(
        locale="fr",
        marketing="offres et actualités",
        operational="avis concernant le service",
        transactional="messages liés à ce que vous faites ici, comme vos commandes",
        email="e-mail",
        sms="SMS",
        unsubscribe="Se désabonner",
        ask="Ne plus recevoir de {tenant} : {category}, par {channel} ?",
        done_title="Vous êtes désabonné",
        done="{tenant} ne vous enverra plus, par {channel} : {category}.",
        required="Ces messages font partie du service. {tenant} les envoie à tout le monde.",
        all_preferences="Choisir ce que vous recevez",
        preferences="Ce que vous recevez",
        preferences_of="Choisissez ce que {tenant} peut vous envoyer, et comment.",
        save="Enregistrer",
        saved="Votre choix est enregistré.",
        always="toujours",
        gone_title="Ce lien n'est pas valable",
        gone="Il est peut-être incomplet. Ouvrez-le à nouveau depuis le message, ou demandez à"
        " l'expéditeur.",
    ),
    Words(
        locale="es",
        marketing="ofertas y novedades",
        operational="avisos sobre el servicio",
        transactional="mensajes sobre lo que hace aquí, como sus pedidos",
        email="correo electrónico",
        sms="SMS",
        unsubscribe="Darse de baja",
        ask="¿No quiere recibir más de {tenant}, por {channel}: {category}?",
        done_title="Se ha dado de baja",
        done="{tenant} ya no le enviará por {channel}: {category}.",
        required="Estos mensajes forman parte del servicio. {tenant} los envía a todos.",
        all_preferences="Elegir lo que recibe",
        preferences="Lo que recibe",
        preferences_of="Elija qué puede enviarle {tenant} y cómo.",
        save="Guardar",
        saved="Su elección se ha guardado.",
        always="siempre",
        gone_title="Este enlace no es válido",
        gone="Puede que esté incompleto. Ábralo de nuevo desde el mensaje o pregunte al remitente.",
    ),
    Words(
        locale="pt",
        marketing="ofertas e novidades",
        operational="avisos sobre o serviço",
        transactional="mensagens sobre o que faz aqui, como as suas encomendas",
        email="e-mail",
        sms="SMS",
        unsubscribe="Cancelar a subscrição",
        ask="Não quer receber mais de {tenant}, por {channel}: {category}?",
        done_title="A subscrição foi cancelada",
        done="{tenant} não lhe enviará mais por {channel}: {category}.",
        required="Estas mensagens fazem parte do serviço. {tenant} envia-as a todos.",
        all_preferences="Escolher o que recebe",
        preferences="O que recebe",
        preferences_of="Escolha o que {tenant} lhe pode enviar, e como.",
        save="Guardar",
        saved="A sua escolha foi guardada.",
        always="sempre",
        gone_title="Esta ligação não é válida",
        gone="Pode estar incompleta. Abra-a de novo a partir da mensagem ou pergunte ao remetente.",
    ),
)
WORDS = {one.locale: one for one in _ALL}


def words(*locales: str | None) -> Words:
    """Those of the first locale whose language we have; else English."""
    for locale in locales:
        language = (locale or "").strip().replace("_", "-").partition("-")[0].lower()
        if language in WORDS:
            return WORDS[language]
    return WORDS["en"]
