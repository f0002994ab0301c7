"use strict";
// The page of `fovea cluster`: names of groups become a table path,label. `data` is what pages/cluster.py wrote.
(() => {
  const byId = (id) => document.getElementById(id);
  const { root, file, groups } = JSON.parse(byId("data").textContent);
  const inputs = [...document.querySelectorAll("input.name")];
  const names = () => inputs.map((input) => input.value.trim().replace(/^-$/, "")); // "-": of no class
  const count = (n, one, many) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
  let isSaved = true;

  function tell() {
    const given = names(), classes = [...new Set(given.filter(Boolean))];
    const n = given.reduce((sum, name, k) => sum + (name ? groups[k].length : 0), 0);
    byId("save").disabled = !n;
    byId("state").textContent = n
      ? `${count(given.filter(Boolean).length, "group", "groups")} named: ${count(n, "picture", "pictures")} in ${count(classes.length, "class", "classes")}.`
      : "No group is named yet.";
    byId("names").replaceChildren(...classes.map((name) => new Option(name)));
  }

  const cell = (text) => (/[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

  function table() {
    const rows = ["path,label"];
    names().forEach((name, k) => {
      if (name) for (const path of groups[k]) rows.push(`${cell(root + path)},${cell(name)}`);
    });
    return "\ufeff" + rows.join("\r\n") + "\r\n";
  }

  function save() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([table()], { type: "text/csv" }));
    link.download = file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    isSaved = true;
    byId("state").textContent = root
      ? `Saved where your browser keeps downloads. Next: fovea train ${file} --out runs/first`
      : `Saved where your browser keeps downloads. Put ${file} into the folder of the pictures; next: fovea train FOLDER/${file} --out runs/first`;
  }

  for (const input of inputs) input.addEventListener("input", () => { isSaved = false; tell(); });
  byId("save").addEventListener("click", save);
  addEventListener("beforeunload", (event) => { if (!isSaved) event.preventDefault(); });
  tell();
})();
