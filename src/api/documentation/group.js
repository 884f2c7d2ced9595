// The operations of one type, or of one group of actions: a small document of their own.
"use strict";
SwaggerUIBundle({
    url: "openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    displayOperationId: true,
    defaultModelsExpandDepth: -1,
    // It would be a service on the internet.
    validatorUrl: null,
});
