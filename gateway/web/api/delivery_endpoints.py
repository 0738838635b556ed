"""The API's operations on deliveries, and the bulk acts and their jobs."""

from __future__ import annotations

from typing import Final

from gateway.admin import act_results, queries, requests, results
from gateway.admin.bulk import BulkCommand
from gateway.web.api.endpoint import CHANGED, NAMED, NOT_FOUND, acting, reading, the_one

DELIVERY_ENDPOINTS: Final = (
    reading(
        "/deliveries",
        "deliveries",
        "Deliveries, newest first.",
        lambda call: call.service.deliveries(call.asked),
        results.Page[results.DeliveryItem],
        query=queries.DeliveryQuery,
        problems=NAMED,
    ),
    acting(
        "/deliveries/retry",
        "retry_deliveries",
        "Try each of a few deliveries again.",
        lambda call: call.service.retry(call.asked.ids, call.actor),
        act_results.ManyDone,
        body=requests.FewDeliveries,
    ),
    acting(
        "/deliveries/cancel",
        "cancel_deliveries",
        "Give each of a few deliveries up.",
        lambda call: call.service.cancel(call.asked.ids, call.actor),
        act_results.ManyDone,
        body=requests.FewDeliveries,
    ),
    reading(
        "/deliveries/{number}",
        "delivery",
        "One delivery with every attempt, and what comes next.",
        lambda call: call.service.delivery(int(call.path["number"])),
        results.DeliveryDetail,
        problems=NOT_FOUND,
    ),
    acting(
        "/deliveries/{number}/retry",
        "retry",
        "Try a delivery again: now, or in a new round.",
        lambda call: the_one(call.service.retry([int(call.path["number"])], call.actor)),
        act_results.OneDone,
        problems=CHANGED,
    ),
    acting(
        "/deliveries/{number}/cancel",
        "cancel",
        "Give a delivery up.",
        lambda call: the_one(call.service.cancel([int(call.path["number"])], call.actor)),
        act_results.OneDone,
        problems=CHANGED,
    ),
    acting(
        "/bulk",
        "bulk",
        "Do one act to all that a filter chooses: first a preview, then a job.",
        lambda call: call.service.bulk(call.asked, call.actor, call.token),
        act_results.BulkPreview | act_results.JobStarted,
        body=BulkCommand,
        problems=NAMED,
    ),
    reading(
        "/jobs",
        "jobs",
        "Bulk acts, newest first.",
        lambda call: call.service.jobs(call.asked),
        results.Page[act_results.JobItem],
        query=queries.PageQuery,
    ),
    reading(
        "/jobs/{number}",
        "job",
        "One bulk act: how far it is.",
        lambda call: call.service.job(int(call.path["number"])),
        act_results.JobItem,
        problems=NOT_FOUND,
    ),
    acting(
        "/jobs/{number}/cancel",
        "cancel_job",
        "End a bulk act; what was done stays done.",
        lambda call: call.service.cancel_job(int(call.path["number"]), call.actor),
        act_results.JobItem,
        problems=CHANGED,
    ),
)
