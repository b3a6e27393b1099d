// Intrusive doubly linked lists, for objects that sit on several lists at once.
#pragma once

namespace warren::kernel {

struct LinkBase {
  LinkBase* prev = nullptr;
  LinkBase* next = nullptr;
};

// A member of T that ties it to one List<T>. Knows its T, so that lists need no offset arithmetic.
template <typename T>
struct Link : LinkBase {
  explicit Link(T* t) : owner(t) {}
  bool linked() const { return next != nullptr; }
  T* const owner;
};

// Owns nothing; the caller's lock guards it and every Link on it.
template <typename T>
class List {
 public:
  List() { head_.prev = head_.next = &head_; }
  List(const List&) = delete;
  List& operator=(const List&) = delete;

  bool empty() const { return head_.next == &head_; }
  void push_back(Link<T>& link) { insert_before(head_, link); }
  void push_front(Link<T>& link) { insert_before(*head_.next, link); }
  static void remove(Link<T>& link) {
    link.prev->next = link.next;
    link.next->prev = link.prev;
    link.prev = link.next = nullptr;
  }
  T* front() const { return empty() ? nullptr : static_cast<Link<T>*>(head_.next)->owner; }
  // The element after `link`; null at the end.
  T* after(const Link<T>& link) const {
    return link.next == &head_ ? nullptr : static_cast<Link<T>*>(link.next)->owner;
  }

  // For range loops; the current element must not be removed in the body.
  class Iterator {
   public:
    explicit Iterator(LinkBase* at) : at_(at) {}
    T& operator*() const { return *static_cast<Link<T>*>(at_)->owner; }
    Iterator& operator++() {
      at_ = at_->next;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return at_ != other.at_; }

   private:
    LinkBase* at_;
  };
  Iterator begin() const { return Iterator(head_.next); }
  Iterator end() const { return Iterator(const_cast<LinkBase*>(&head_)); }

 private:
  static void insert_before(LinkBase& place, LinkBase& link) {
    link.prev = place.prev;
    link.next = &place;
    place.prev->next = &link;
    place.prev = &link;
  }
  LinkBase head_;
};

}  // namespace warren::kernel
