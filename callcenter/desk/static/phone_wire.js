// The phone's socket, and what its connection says of the sound.
"use strict";

/** A socket that is given up when nobody answers on it: browsers alone may wait for minutes. */
window.PhoneWire = class extends JsSIP.WebSocketInterface {
  static CONNECT_WITHIN = 5000; // ms

  connect() {
    super.connect();
    clearTimeout(this.patience);
    this.patience = setTimeout(() => { if (this.isConnecting()) this.drop(); }, window.PhoneWire.CONNECT_WITHIN);
  }

  /** Takes it for lost, whatever the browser thinks: JsSIP then connects again. */
  drop() {
    this.letGo();
    this.ondisconnect(true, 1006, "");
  }

  letGo() {
    clearTimeout(this.patience);
    super.disconnect();
  }
};

/** Tells whenever the sound leaves by another way than Asterisk has learnt in its first seconds: of such a one it takes
 * nothing, though the browser and Asterisk have agreed on it and it sends by it itself (strict RTP, asterisk#1955). */
window.phoneMoves = (connection, told) => {
  const LEARNS = 5000; // ms, as Asterisk has it
  const ice = connection?.getSenders().find((one) => one.transport)?.transport.iceTransport;
  if (!ice?.getSelectedCandidatePair) return; // this browser does not say
  const way = () => {
    const { local } = ice.getSelectedCandidatePair() || {};
    return local ? `${local.address} ${local.port}` : "";
  };
  const since = Date.now();
  let learnt = way();
  ice.addEventListener("selectedcandidatepairchange", () => {
    const now = way();
    if (Date.now() - since < LEARNS) learnt = now;
    told(now !== learnt);
  });
};

/** How well both ends hear each other by now: counts since the answer, times in ms, levels from 0 to 1, null unknown. */
window.phoneHeard = async (connection) => {
  const all = [...(await connection.getStats()).values()];
  const one = (type) => all.find((each) => each.type === type && (each.kind || "audio") === "audio") || {};
  const inbound = one("inbound-rtp"), outbound = one("outbound-rtp"), remote = one("remote-inbound-rtp"), source = one("media-source");
  const codec = all.find((each) => each.id === inbound.codecId)?.mimeType || "";
  const ms = (seconds) => (Number.isFinite(seconds) ? seconds * 1000 : null);
  return {
    codec: codec.replace("audio/", "").toLowerCase(),
    received: {
      packets: inbound.packetsReceived ?? 0, lost: inbound.packetsLost ?? 0, jitter_ms: ms(inbound.jitter),
      level: inbound.audioLevel ?? null, energy: inbound.totalAudioEnergy ?? null,
      concealed: inbound.concealedSamples ?? 0, samples: inbound.totalSamplesReceived ?? 0,
    },
    sent: {
      packets: outbound.packetsSent ?? 0, lost: remote.packetsLost ?? 0, jitter_ms: ms(remote.jitter),
      level: source.audioLevel ?? null, energy: source.totalAudioEnergy ?? null,
    },
    rtt_ms: ms(remote.roundTripTime),
    ice: connection.iceConnectionState,
  };
};
