// Search on pages that are opened from a disk. Browsers start no worker there, so its script runs in a hidden frame.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      this.ready = new Promise((resolve) => {
        frame.addEventListener("load", () => {
          const own = frame.contentWindow;
          own.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
          const script = own.document.createElement("script");
          script.src = new URL(url, location.href).href;
          script.addEventListener("load", () => resolve(own));
          own.document.body.append(script);
        }, { once: true });
      });
      document.body.append(frame);
    }
    postMessage(data) {
      this.ready.then((own) => own.dispatchEvent(new own.MessageEvent("message", { data })));
    }
    terminate() {}
  };
}
