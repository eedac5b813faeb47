"""A pjsua2 softphone: registers, answers calls with a tone, and says what happens, a word a line.

Arguments: proxy (host:port), user, password, folder for the log and what it hears; the tone in Hz; what is particular,
as JSON: `codec` (the only one), `srtp` (`optional` or `mandatory`), `tls` (host:port, in place of UDP).
Orders come a line each: `call USER`, `join` (REFER with Replaces: the first call's
party gets the newest call's). The end of the orders, or of its last call, is its end.
"""

import gc
import json
import os
import queue
import sys
import threading

import pjsua2

proxy, user, password, folder = sys.argv[1:5]
TONE = int(sys.argv[5]) if len(sys.argv) > 5 else 1000
particular = json.loads(sys.argv[6]) if len(sys.argv) > 6 else {}
done = threading.Event()
calls = []


def tell(*words):
    print(*words, flush=True)


class Log(pjsua2.LogWriter):
    """Its own log file is written only when it feels like it."""

    def __init__(self):
        super().__init__()
        self.file = open(os.path.join(folder, "log"), "w", buffering=1)

    def write(self, entry):
        self.file.write(entry.msg)
        self.file.flush()


class Call(pjsua2.Call):
    recorder = None
    tone = None
    over = False

    def onCallState(self, _):
        info = self.getInfo()
        tell("call", info.stateText)
        if info.state == pjsua2.PJSIP_INV_STATE_DISCONNECTED:
            self.recorder = None
            self.tone = None
            self.over = True
            if all(call.over for call in calls):
                done.set()

    def onCallTransferStatus(self, what):
        tell("transfer", what.statusCode)
        what.cont = not what.finalNotify

    def onCallMediaState(self, _):
        if self.recorder is not None:
            return
        sound = self.getAudioMedia(-1)
        self.recorder = pjsua2.AudioMediaRecorder()
        number = calls.index(self)
        name = "heard.wav" if number == 0 else f"heard-{number + 1}.wav"
        self.recorder.createRecorder(os.path.join(folder, name))
        sound.startTransmit(self.recorder)
        self.tone = pjsua2.ToneGenerator()
        self.tone.createToneGenerator(8000, 1)
        sine = pjsua2.ToneDesc()
        sine.freq1, sine.on_msec, sine.off_msec = TONE, 10000, 0
        tones = pjsua2.ToneDescVector()
        tones.append(sine)
        self.tone.play(tones, True)
        self.tone.startTransmit(sound)


class Account(pjsua2.Account):
    def onRegState(self, what):
        tell("registered" if what.code == 200 else "refused", what.code)

    def onIncomingCall(self, what):
        tell("rings")
        calls.append(Call(self, what.callId))
        answer = pjsua2.CallOpParam()
        answer.statusCode = 200
        calls[-1].answer(answer)


def obey(order, *words):
    options = pjsua2.CallOpParam(True)
    if order == "call":
        calls.append(Call(phone))
        calls[-1].makeCall(f"sip:{words[0]}@{proxy}", options)
    elif order == "join":
        calls[0].xferReplaces(calls[-1], options)


endpoint = pjsua2.Endpoint()
endpoint.libCreate()
setup = pjsua2.EpConfig()
setup.uaConfig.threadCnt = 0
setup.uaConfig.mainThreadOnly = True
setup.logConfig.level = 5
# What the writer is told.
setup.logConfig.consoleLevel = 5
log = Log()
setup.logConfig.writer = log
endpoint.libInit(setup)
endpoint.audDevManager().setNullDev()
transport = pjsua2.TransportConfig()
transport.boundAddress = "127.0.0.1"
secure = "tls" in particular
if secure:
    # Whom to trust is another test's business.
    transport.tlsConfig.verifyServer = False
endpoint.transportCreate(pjsua2.PJSIP_TRANSPORT_TLS if secure else pjsua2.PJSIP_TRANSPORT_UDP, transport)
endpoint.libStart()
if "codec" in particular:
    for codec in endpoint.codecEnum2():
        endpoint.codecSetPriority(codec.codecId, 255 if codec.codecId.startswith(particular["codec"]) else 0)

account = pjsua2.AccountConfig()
account.idUri = f"sip:{user}@{proxy}"
account.regConfig.registrarUri = f"sip:{particular['tls']};transport=tls" if secure else f"sip:{proxy}"
account.sipConfig.authCreds.append(pjsua2.AuthCredInfo("digest", "*", user, 0, password))
account.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
uses = {"optional": pjsua2.PJMEDIA_SRTP_OPTIONAL, "mandatory": pjsua2.PJMEDIA_SRTP_MANDATORY}
if "srtp" in particular:
    account.mediaConfig.srtpUse = uses[particular["srtp"]]
    account.mediaConfig.srtpSecureSignaling = 0
phone = Account()
phone.create(account)

# Whoever started it closes its input when the story is over.
orders = queue.SimpleQueue()
closed = threading.Event()


def listen():
    for line in sys.stdin:
        orders.put(line.split())
    closed.set()


threading.Thread(target=listen, daemon=True).start()
while not done.is_set() and not closed.is_set():
    endpoint.libHandleEvents(10)
    if not orders.empty():
        obey(*orders.get())
# Recorders go before the library: only then is the file whole.
calls.clear()
gc.collect()
endpoint.libDestroy()
tell("done")
# Its destructors cross each other's way at the end of the interpreter.
os._exit(0)
