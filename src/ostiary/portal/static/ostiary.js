// Refines pages that work without it: nothing here is needed, nothing here decides anything.
"use strict";
(() => {
  const each = (root, selector, act) => root.querySelectorAll(selector).forEach(act);

  // Show and hide what was typed into a password field.
  function reveal(button) {
    const input = document.getElementById(button.dataset.reveal);
    if (!input) return;
    button.hidden = false;
    button.addEventListener("click", () => {
      const shown = input.type === "password";
      input.type = shown ? "text" : "password";
      const [text, label] = (shown ? button.dataset.hide : button.dataset.show).split("|");
      button.textContent = text;
      button.setAttribute("aria-label", label);
      input.focus();
    });
  }

  // Copy the texts of a list, or of one element.
  function copy(button) {
    if (!navigator.clipboard) return;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy);
      const items = source.querySelectorAll("li");
      const lines = items.length ? [...items].map((item) => item.textContent.trim()) : [source.dataset.text || source.textContent.trim()];
      try {
        await navigator.clipboard.writeText(lines.join("\n"));
        button.textContent = button.dataset.done;
      } catch { /* the codes are on the page: nothing is lost */ }
    });
  }

  // A picture that does not come makes way for what stands in for it.
  function picture(image) {
    const instead = image.nextElementSibling;
    const fail = () => {
      if (instead && instead.dataset.instead !== undefined) instead.hidden = false;
      image.remove();
    };
    image.addEventListener("error", fail);
    if (image.complete) image.decode().catch(fail);
  }

  // What asks for a passkey has a script of its own. Without it the page shows what else there is.
  function passkey(element) {
    each(element.closest("form"), "[data-unscripted]", (note) => note.remove());
    import(element.dataset.script).then((script) => script.default(element)).catch(() => {});
  }

  function print(button) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }

  // The button that was pressed says so and cannot be pressed again; its value is still sent.
  function busy(form, on) {
    form.dataset.busy = on ? "yes" : "";
    each(form, "button:not([type=button])", (button) => button.setAttribute("aria-disabled", String(on)));
  }

  // Send the form as if there were no script: the browser says itself what goes wrong.
  function plainly(form, submitter) {
    if (submitter && submitter.name) {
      const value = document.createElement("input");
      Object.assign(value, { type: "hidden", name: submitter.name, value: submitter.value });
      form.append(value);
    }
    HTMLFormElement.prototype.submit.call(form);
  }

  // Show what came in place of this page, whoever made it: a proxy's error page is an answer as well.
  function replace(text, type) {
    document.open();
    document.write(type.startsWith("text/html") ? text : "<!doctype html><title></title><pre></pre>");
    document.close();
    if (!type.startsWith("text/html")) document.querySelector("pre").textContent = text;
  }

  // Send the form and swap the card, so that nothing flickers. Every page that comes is shown, errors too.
  async function send(form, submitter) {
    const fields = new FormData(form);
    const body = form.enctype === "multipart/form-data" ? fields : new URLSearchParams(fields);
    if (submitter && submitter.name) body.set(submitter.name, submitter.value);
    let response;
    try {
      response = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" } });
    } catch {
      plainly(form, submitter);
      return;
    }
    const type = response.headers.get("Content-Type") || "";
    const text = await response.text();
    const page = new DOMParser().parseFromString(type.startsWith("text/html") ? text : "", "text/html");
    const next = page.querySelector("a[data-continue]");
    if (next) {
      location.replace(next.href);
      return;
    }
    const card = page.querySelector("main[data-swap]");
    const old = document.querySelector("main[data-swap]");
    if (!card || !old) {
      if (response.ok) location.replace(response.url);
      else replace(text, type);
      return;
    }
    document.title = page.title;
    document.body.className = page.body.className;
    // A new step is a place of its own, so that Back stays in the flow; the same step again is not.
    const component = (main) => (main.querySelector("input[name=_component]") || {}).value;
    if (component(card) === component(old)) history.replaceState(null, "", response.url);
    else history.pushState(null, "", response.url);
    old.replaceWith(document.adoptNode(card));
    refine(card);
    const first = card.querySelector("[autofocus]") || card.querySelector("h1");
    if (first.tagName === "H1") first.tabIndex = -1;
    first.focus();
    window.scrollTo(0, 0);
  }

  function submitted(event) {
    const form = event.target;
    if (form.dataset.busy === "yes") {
      event.preventDefault();
      return;
    }
    busy(form, true);
    if (form.dataset.fetch !== undefined) {
      event.preventDefault();
      send(form, event.submitter);
    }
  }

  // Go on when every frame has loaded, or after some seconds: none of them may hold up a sign-out.
  function leave(link) {
    const go = () => location.replace(link.href);
    const loaded = (frame) => new Promise((done) => frame.addEventListener("load", done));
    setTimeout(go, Number(link.dataset.leave) * 1000);
    Promise.all([...document.querySelectorAll("iframe")].map(loaded)).then(go);
  }

  function refine(root) {
    each(root, "[data-reveal]", reveal);
    each(root, "[data-copy]", copy);
    each(root, "[data-print]", print);
    each(root, "img[data-picture]", picture);
    each(root, "[data-passkey]", passkey);
    each(root, "a[data-leave]", leave);
    each(root, "form", (form) => form.addEventListener("submit", submitted));
    each(root, "form[data-autosubmit]", (form) => form.submit());
  }

  // Back from a question asks the one before, as "Not you?" does; elsewhere the step that is due is shown again.
  let hash = location.hash;
  window.addEventListener("popstate", () => {
    const within = location.hash !== hash;
    hash = location.hash;
    if (within) return; // to a field, from the list of errors
    const back = document.querySelector("a[data-back]");
    if (back) location.replace(back.href);
    else location.reload();
  });

  // A page taken from the back-forward cache must not stay disabled.
  window.addEventListener("pageshow", () => each(document, "form", (form) => busy(form, false)));
  refine(document);
})();
