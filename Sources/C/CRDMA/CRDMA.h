#pragma once
// librdmacm and libibverbs. Wrappers stand here only for what Swift does not import: macros, and
// structures whose unions have no names.
#include <arpa/inet.h>
#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>
#include <stddef.h>
#include <stdint.h>

/// A write of memory here into memory there, or a message when `is_message`.
struct shim_transfer {
    uint64_t address;
    uint32_t byte_count;
    uint32_t local_key;
    uint64_t remote_address;
    uint32_t remote_key;
    /// Handed to the other side when `has_immediate`; host order.
    uint32_t immediate;
    int has_immediate;
    int is_message;
    int is_signalled;
};

/// What a queue has done.
struct shim_completion {
    int status;
    int is_receive;
    int has_immediate;
    uint32_t immediate;
};

static inline struct ibv_send_wr shim_request(const struct shim_transfer *transfer,
                                              struct ibv_sge *memory, struct ibv_send_wr *next) {
    return (struct ibv_send_wr){
        .next = next,
        .sg_list = memory,
        .num_sge = transfer->byte_count > 0,
        .opcode = transfer->is_message      ? IBV_WR_SEND
                  : transfer->has_immediate ? IBV_WR_RDMA_WRITE_WITH_IMM
                                            : IBV_WR_RDMA_WRITE,
        .send_flags = transfer->is_signalled ? IBV_SEND_SIGNALED : 0,
        .imm_data = htonl(transfer->immediate),
        .wr.rdma = {.remote_addr = transfer->remote_address, .rkey = transfer->remote_key},
    };
}

static inline struct ibv_sge shim_memory(const struct shim_transfer *transfer) {
    return (struct ibv_sge){transfer->address, transfer->byte_count, transfer->local_key};
}

/// Hands one or two transfers to the device, the second to follow the first (NULL for one alone).
/// Returns 0, or an errno value.
static inline int shim_post_transfers(struct ibv_qp *pair, const struct shim_transfer *first,
                                      const struct shim_transfer *second) {
    struct ibv_sge memory[2] = {shim_memory(first), shim_memory(second ? second : first)};
    struct ibv_send_wr last = shim_request(second ? second : first, &memory[1], NULL), *refused;
    struct ibv_send_wr start = shim_request(first, &memory[0], &last);
    return ibv_post_send(pair, second ? &start : &last, &refused);
}

/// Lets the device fill memory with the next message (`byte_count` 0: take an immediate number).
/// Returns 0, or an errno value.
static inline int shim_post_receive(struct ibv_qp *pair, uint64_t address, uint32_t byte_count,
                                    uint32_t key) {
    struct ibv_sge memory = {address, byte_count, key};
    struct ibv_recv_wr request = {.sg_list = &memory, .num_sge = byte_count > 0}, *refused;
    return ibv_post_recv(pair, &request, &refused);
}

/// Takes the oldest completion. Returns 1, 0 when there is none, or a negative number.
static inline int shim_poll(struct ibv_cq *queue, struct shim_completion *found) {
    struct ibv_wc entry = {0};
    int count = ibv_poll_cq(queue, 1, &entry);
    *found = (struct shim_completion){
        .status = entry.status,
        .is_receive = (entry.opcode & IBV_WC_RECV) != 0,
        .has_immediate = (entry.wc_flags & IBV_WC_WITH_IMM) != 0,
        .immediate = ntohl(entry.imm_data),
    };
    return count;
}

/// A macro. Registers memory; NULL with errno.
static inline struct ibv_mr *shim_register(struct ibv_pd *domain, void *start, size_t byte_count,
                                           int access) {
    return ibv_reg_mr(domain, start, byte_count, access);
}

/// What a request for a connection, or an answer to one, carries besides.
static inline const uint8_t *shim_private_data(const struct rdma_cm_event *event) {
    return event->param.conn.private_data;
}

static inline uint8_t shim_private_byte_count(const struct rdma_cm_event *event) {
    return event->param.conn.private_data_len;
}
