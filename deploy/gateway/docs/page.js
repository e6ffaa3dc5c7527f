// One Swagger UI for all services: the part after # says which. A token entered once holds for every service,
// in this tab's memory only.
"use strict";

const nav = document.getElementById("services");
const notice = document.getElementById("notice");
let token = "";

function show(services) {
  const wanted = decodeURIComponent(location.hash.slice(1).split("/")[0]);
  const current = services.find((service) => service.name === wanted) || services[0];
  for (const link of nav.children) {
    if (link.dataset.name === current.name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  SwaggerUIBundle({
    dom_id: "#api",
    url: current.url,
    deepLinking: false,
    filter: true,
    validatorUrl: null,
    requestInterceptor: (request) => {
      const given = request.headers.Authorization || request.headers.authorization;
      if (given) token = given;
      else if (token && !request.loadSpec) request.headers.Authorization = token;
      return request;
    },
  });
}

fetch("/docs/services.json")
  .then((answer) => answer.json())
  .then((services) => {
    for (const service of services) {
      const link = document.createElement("a");
      link.href = "#" + service.name;
      link.dataset.name = service.name;
      link.textContent = service.name;
      nav.append(link);
    }
    addEventListener("hashchange", () => show(services));
    show(services);
  })
  .catch((error) => {
    notice.textContent = "The list of services could not be read: " + error.message;
  });
