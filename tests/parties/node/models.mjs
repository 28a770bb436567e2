// Judges objects of kinds that Kubernetes itself does not know: reads [object, ...], writes [null or complaints, ...].
import { Application } from "@kubernetes-models/argo-cd/argoproj.io/v1alpha1/Application";
import { ExternalSecret } from "@kubernetes-models/external-secrets/external-secrets.io/v1/ExternalSecret";
import { ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor";
import { text } from "node:stream/consumers";

const kinds = { Application, ExternalSecret, ServiceMonitor };
const judged = JSON.parse(await text(process.stdin)).map((object) => {
  const { apiVersion, kind } = new kinds[object.kind]();
  if (apiVersion !== object.apiVersion || kind !== object.kind) return `${object.apiVersion} is not ${apiVersion}`;
  try {
    new kinds[object.kind](object).validate();
    return null;
  } catch (error) {
    return String(error.message);
  }
});
process.stdout.write(JSON.stringify(judged));
