// Asks the browser for passkeys, for the pages that need one. The server decides; this only carries options and answers.
const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const named = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

// One question at a time: a browser refuses a second one, and an offer in a field waits for ever.
let asking = new AbortController();

function begin() {
  asking.abort();
  asking = new AbortController();
  return asking.signal;
}

function creation(options) {
  const user = { ...options.user, id: bytes(options.user.id) };
  return { ...options, user, challenge: bytes(options.challenge), excludeCredentials: named(options.excludeCredentials) };
}

function request(options) {
  return { ...options, challenge: bytes(options.challenge), allowCredentials: named(options.allowCredentials) };
}

// The credential as JSON, as the server reads it.
function plain(credential) {
  const { id, type, rawId, response } = credential;
  const answer = { clientDataJSON: text(response.clientDataJSON) };
  if (response.attestationObject) {
    answer.attestationObject = text(response.attestationObject);
    answer.transports = response.getTransports ? response.getTransports() : [];
    return { id, rawId: text(rawId), type, registrationClientExtensions: "{}", response: answer };
  }
  answer.authenticatorData = text(response.authenticatorData);
  answer.signature = text(response.signature);
  answer.userHandle = response.userHandle ? text(response.userHandle) : null;
  return { id, rawId: text(rawId), type, assertionClientExtensions: "{}", response: answer };
}

// Which of the page's texts says what went wrong.
function reason(error) {
  const reasons = { NotAllowedError: "cancelled", InvalidStateError: "known", SecurityError: "address", NotSupportedError: "unsupported" };
  return reasons[error.name] || "failed";
}

export default function start(element) {
  const { passkey: mode, field } = element.dataset;
  const form = element.closest("form");
  const told = element.querySelector("[data-told]");
  const button = element.querySelector("[data-ask]");
  const say = (why) => {
    told.textContent = why ? element.dataset[why] : "";
    told.hidden = !why;
  };
  if (!window.PublicKeyCredential || !navigator.credentials) {
    if (mode !== "autofill") say("unsupported");
    return;
  }
  const options = JSON.parse(element.dataset.options);

  async function ask(mediation) {
    say("");
    const signal = begin();
    let credential;
    try {
      credential = mode === "create"
        ? await navigator.credentials.create({ publicKey: creation(options), signal })
        : await navigator.credentials.get({ publicKey: request(options), signal, ...(mediation ? { mediation } : {}) });
    } catch (error) {
      if (error.name !== "AbortError" && !mediation) say(reason(error));
      return;
    }
    if (!element.isConnected || !credential) return;
    form.elements[field].value = JSON.stringify(plain(credential));
    form.requestSubmit();
  }

  button.hidden = false;
  button.addEventListener("click", () => ask());
  if (mode === "autofill") {
    const able = PublicKeyCredential.isConditionalMediationAvailable;
    if (able) able.call(PublicKeyCredential).then((yes) => { if (yes) ask("conditional"); });
  } else if (element.dataset.auto !== undefined) ask();
}
